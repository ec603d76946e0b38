package main

import (
	"crypto/tls"
	"log/slog"
	"net"
	"strings"

	"github.com/onward-health/onward/adapters/barsapi"
	"github.com/onward-health/onward/adapters/dos"
	"github.com/onward-health/onward/fhir/validate/profile"
	"github.com/onward-health/onward/internal/egress"
	"github.com/onward-health/onward/internal/httpx"
	"github.com/onward-health/onward/store/mongo"
)

// prepared is what the settings and the files that they name come to, before
// anything is opened.
type prepared struct {
	profiles  *profile.Set
	secure    *tls.Config
	reach     *egress.Policy
	calls     calling
	reports   *soapSending
	directory *dos.Client
	stand     sandboxSettings
}

// prepare reads all settings: what is wrong with them is found here, or not before
// the store and the other systems are asked.
func (c *serveCommand) prepare(log *slog.Logger) (*prepared, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	p := &prepared{}
	var err error
	if p.profiles, err = c.loadProfiles(log); err != nil {
		return nil, err
	}
	if p.secure, err = c.tlsConfig(); err != nil {
		return nil, err
	}
	if p.reach, err = egress.Parse(c.SubscriptionAllow); err != nil {
		return nil, usage("--subscription-allow: %w", err)
	}
	if p.calls, err = c.BarsSend.client(); err != nil {
		return nil, err
	}
	if p.reports, err = c.NHS111Send.sending(c.BarsSend.Route); err != nil {
		return nil, err
	}
	if p.directory, err = c.DoS.client(); err != nil {
		return nil, err
	}
	if p.stand, err = c.sandboxSettings(); err != nil {
		return nil, err
	}
	return p, c.checkLater()
}

// checkLater refuses now what is read again once the server's address is known.
func (c *serveCommand) checkLater() error {
	if isMongo(c.Store) {
		if err := mongo.CheckAddress(c.Store); err != nil {
			return err
		}
	} else if _, err := sqlitePath(c.Store); err != nil {
		return err
	}
	if _, err := c.nhs111Options(""); err != nil {
		return err
	}
	if _, _, err := c.modes(); err != nil {
		return err
	}
	if _, err := c.BarsReceive.access(); err != nil {
		return err
	}
	if address := strings.TrimSpace(c.BarsReceive.Registry); address != "" && address != noRegistry {
		if _, err := barsapi.RegistryAt(address); err != nil {
			return usage("--bars-registry: %w", err)
		}
	}
	return nil
}

// sandboxByDefault says whether the sandbox is on where nobody says: for who tries
// the program out, not where somebody has set up a server (design section 5).
func sandboxByDefault(file, auth bool, listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return !file && !auth && err == nil && httpx.LoopbackHost(host)
}
