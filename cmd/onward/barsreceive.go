package main

import (
	"strings"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/nhs"
)

// barsReceiving holds the flags of the BaRS receiver beside --bars-mode;
// docs/operations.md explains each.
type barsReceiving struct {
	ServiceMode  map[string]string `env:"ONWARD_BARS_SERVICE_MODE" name:"service-mode" help:"Services that are held to the standard otherwise than --bars-mode says: service=strict or service=lenient, separated by semicolons."`
	Organisation map[string]string `env:"ONWARD_BARS_ORGANISATION" joined:"+" help:"Who may use a service: service=ODS+ODS, separated by semicolons; * for all services that aren't named. Without it everybody."`
	Product      map[string]string `env:"ONWARD_BARS_PRODUCT" joined:"+" help:"Which products may use a service: service=id+id, likewise."`
	Role         map[string]string `env:"ONWARD_BARS_ROLE" joined:"+" help:"Which roles a requesting practitioner may have: service=SNOMED code+code, likewise."`
	Registry     string            `env:"ONWARD_BARS_REGISTRY" help:"FHIR base below which the registry keeps pointers to bookings, the BaRS proxy's; off for none. Default: the sandbox's own while that is on."`
	Referrals    bool              `env:"ONWARD_BARS_REGISTRY_REFERRALS" name:"registry-referrals" help:"Leave pointers to referrals too."`
	ProductID    string            `env:"ONWARD_BARS_PRODUCT_ID" name:"product-id" default:"onward" help:"Our product id, which each pointer names."`
	Unavailable  bool              `env:"ONWARD_BARS_SERVICE_UNAVAILABLE" name:"service-unavailable" help:"Word a 503 REC_SERVICE_UNAVAILABLE, as published examples do, in place of REC_UNAVAILABLE."`
	Certificate  bool              `env:"ONWARD_BARS_CERTIFICATE" help:"Refuse (403) BaRS requests without a client certificate of --tls-client-ca."`
}

// modes reads --bars-mode and --bars-service-mode.
func (c *serveCommand) modes() (bars.Mode, map[string]bars.Mode, error) {
	known := map[string]bars.Mode{"strict": bars.Strict, "lenient": bars.Lenient}
	services := map[string]bars.Mode{}
	for service, text := range c.BarsReceive.ServiceMode {
		mode, ok := known[text]
		id := serviceOf(service)
		if !ok || id == "" {
			return 0, nil, usage("--bars-service-mode must be service=strict or service=lenient")
		}
		services[id] = mode
	}
	return known[c.BarsMode], services, nil
}

// serviceOf is the bare id of a service; its system doesn't matter here.
func serviceOf(text string) string { return nhs.ParseServiceID(strings.TrimSpace(text)).Value }

// access reads who may use services.
func (b *barsReceiving) access() (bars.Access, error) {
	var a bars.Access
	var err error
	if a.Organisations, err = lists("--bars-organisation", b.Organisation, func(text string) bool {
		_, ok := nhs.ParseODSCode(text)
		return ok
	}); err != nil {
		return a, err
	}
	given := func(text string) bool { return text != "" }
	if a.Products, err = lists("--bars-product", b.Product, given); err != nil {
		return a, err
	}
	a.Roles, err = lists("--bars-role", b.Role, given)
	return a, err
}

func lists(flag string, given map[string]string, valid func(string) bool) (map[string][]string, error) {
	out := map[string][]string{}
	for service, text := range given {
		id := serviceOf(service)
		for _, one := range strings.Split(text, "+") {
			one = strings.TrimSpace(one)
			if id == "" || !valid(one) {
				return nil, usage("%s must be service=ONE, or service=ONE+ANOTHER, with * for all other services", flag)
			}
			out[id] = append(out[id], one)
		}
	}
	return out, nil
}
