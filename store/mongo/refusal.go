package mongo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"go.mongodb.org/mongo-driver/mongo/description"
	"go.mongodb.org/mongo-driver/x/mongo/driver/auth"
	"go.mongodb.org/mongo-driver/x/mongo/driver/topology"

	"github.com/onward-health/onward/store"
)

// refusal says why the database can't be opened, in the words of whoever starts
// the program.
func refusal(caller context.Context, err error) error {
	var selection topology.ServerSelectionError
	var login *auth.Error
	switch code := codeOf(err); {
	case caller.Err() != nil:
	case code == 0 && strings.Contains(err.Error(), "reports wire version"): // the driver has no type for it
		return errTooOld
	case code == codeUnauthorized, code == codeAtlas && strings.Contains(err.Error(), "not allowed"):
		return ownError("the user of the MongoDB address may not do what is needed: it needs the role readWrite on the database")
	case code == codeNoCommand, code == codeNotSupported, code == codeNotImplemented:
		return ownError(fmt.Sprintf("this server refuses a command as one that it doesn't have (error code %d), and MongoDB 5.0 has it: it is older, or only looks like MongoDB", code))
	case code == codeAuthenticationFailed, code == codeAtlas && strings.Contains(err.Error(), "bad auth"), code != 0 && !passing[code] && errors.As(err, &login):
		return ownError("MongoDB refuses the user or password of the address; where another database than the address's knows the user, it needs authSource, such as authSource=admin")
	case errors.As(err, &selection):
		return &startError{fmt.Sprintf("no primary of the MongoDB replica set answers within %d s: %s. Check that it runs and has a primary, and the hosts, replicaSet and TLS settings of the address",
			int(selectionTime.Seconds()), why(selection.Desc))}
	case code == 0 && away(err):
		return &startError{"the server was found, and then " + ofServer(err) + ". Check that it runs, and the TLS and other settings of the address"}
	}
	return fault(caller, "open the database", err)
}

// startError is a fault that may pass.
type startError struct{ text string }

func (e *startError) Error() string { return "store: " + e.text }

func (e *startError) Unwrap() error { return store.ErrUnavailable }

// why is what is known of the servers when none was a primary. It names none of
// them.
func why(found description.Topology) string {
	var all []string
	for _, s := range found.Servers {
		switch {
		case s.LastError != nil:
			all = append(all, ofServer(s.LastError))
		case s.Kind == description.RSGhost:
			all = append(all, "a server answers whose replica set isn't initiated (`rs.initiate()`)")
		case s.Kind == description.Unknown:
			all = append(all, "a host doesn't answer")
		default:
			all = append(all, "a member answers that isn't primary")
		}
	}
	if len(all) == 0 {
		return "no host of the address is a member of the replica set that it names"
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), "; ")
}

// ofServer says what an error tells of a server. The error's own text may name it.
func ofServer(err error) string {
	var name *net.DNSError
	var plain tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var other x509.HostnameError
	var invalid x509.CertificateInvalidError
	var alert tls.AlertError
	var broken net.Error
	var dial *net.OpError
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "a host's name isn't in the DNS"
	case errors.As(err, &name):
		return "the DNS doesn't answer for a host's name"
	case errors.As(err, &plain):
		return "a server doesn't speak TLS, which the address asks for"
	case errors.As(err, &unknown):
		return "a server's certificate is of an authority that isn't trusted (tlsCAFile)"
	case errors.As(err, &other):
		return "a server's certificate is for another host's name"
	case errors.As(err, &invalid):
		return "a server's certificate isn't valid, or not now"
	case errors.As(err, &alert):
		return "a server refuses our side of TLS (does it want a certificate of ours, tlsCertificateKeyFile?)"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens at a host's port"
	case errors.As(err, &broken) && broken.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "a host doesn't answer"
	case errors.As(err, &dial) && dial.Op == "dial":
		return "a host can't be reached"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &dial):
		return "a server breaks the connection off, as one does where only one side speaks TLS"
	}
	return "what answers at a host's port doesn't speak MongoDB's protocol"
}
