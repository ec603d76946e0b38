package mongo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/mongo/description"
	"go.mongodb.org/mongo-driver/x/mongo/driver/topology"
)

func TestWhyThereIsNoPrimaryIsSaidWithoutNames(t *testing.T) {
	at := &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 27017}
	failed := func(err error) description.Server {
		return description.Server{LastError: topology.ConnectionError{ConnectionID: "10.1.2.3", Wrapped: err}}
	}
	dial := func(err error) description.Server {
		return failed(&net.OpError{Op: "dial", Net: "tcp", Addr: at, Err: err})
	}
	for says, servers := range map[string][]description.Server{
		"no host of the address is a member of the replica set that it names":                           nil,
		"a server answers whose replica set isn't initiated (`rs.initiate()`)":                          {{Kind: description.RSGhost}},
		"a host doesn't answer; a member answers that isn't primary":                                    {{Kind: description.RSSecondary}, {}, {Kind: description.RSArbiter}},
		"a host's name isn't in the DNS":                                                                {dial(&net.DNSError{Name: "10.1.2.3", IsNotFound: true})},
		"the DNS doesn't answer for a host's name":                                                      {dial(&net.DNSError{Name: "10.1.2.3", IsTimeout: true})},
		"nothing listens at a host's port":                                                              {dial(syscall.ECONNREFUSED), dial(fmt.Errorf("connect: %w", syscall.ECONNREFUSED))},
		"a host can't be reached":                                                                       {dial(syscall.EHOSTUNREACH)},
		"a host doesn't answer":                                                                         {dial(context.DeadlineExceeded)},
		"a server's certificate isn't valid, or not now":                                                {failed(&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}})},
		"a server refuses our side of TLS (does it want a certificate of ours, tlsCertificateKeyFile?)": {failed(&net.OpError{Op: "remote error", Err: tls.AlertError(42)})},
		"a server breaks the connection off, as one does where only one side speaks TLS":                {failed(&net.OpError{Op: "read", Addr: at, Err: syscall.ECONNRESET})},
	} {
		require.Equal(t, says, why(description.Topology{Servers: servers}))
	}
}
