package mongo_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store/mongo"
)

func TestAnAddressThatIsWrongByItselfIsRefusedUnasked(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "secret.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for uri, says := range map[string]string{
		"localhost:27017":                                       "can't be read",
		"mongodb://":                                            "can't be read",
		"mongodb://bob:sec%ret@secret.invalid/":                 "percent-encoded",
		"mongodb://bob:sec@secret@secret.invalid/":              "percent-encoded",
		"mongodb://bob:secret@secret.invalid:99999/":            "can't be read",
		"mongodb://bob:secret@secret.invalid/?maxPoolSize=many": "can't be read",
		"mongodb://bob:secret@secret.invalid/?tsl=true":         "doesn't know, number 1",
		"mongodb://bob:sec?ret@secret.invalid/?replicaSet=secret&authSource=secret;secret=1": "doesn't know, number 3",
		"mongodb://secret.invalid/?w=1":                       "lowers the write concern",
		"mongodb://secret.invalid/?w=majority&journal=false":  "lowers the write concern",
		"mongodb://secret.invalid/?retryWrites=false":         "lowers the write concern",
		"mongodb://secret.invalid/?timeoutMS=1000":            "sets timeoutMS",
		"mongodb://secret.invalid/?loadBalanced=true":         "sets loadBalanced",
		"mongodb://secret.invalid/?tlsCAFile=" + empty:        "names a file that can't be read",
		"mongodb://secret.invalid/?tlsCAFile=/none/secret":    "names a file that can't be read",
		"mongodb://secret.invalid/?minPoolSize=101":           "options that don't go together",
		"mongodb://secret.invalid/admin":                      "one of the server's own databases",
		"mongodb://secret.invalid/config?tls=true":            "one of the server's own databases",
		"mongodb://secret.invalid/se%20cret":                  "as MongoDB doesn't",
		"mongodb://secret.invalid/se.cret":                    "as MongoDB doesn't",
		"mongodb://secret.invalid/" + strings.Repeat("s", 64): "as MongoDB doesn't",
	} {
		err := mongo.CheckAddress(uri)
		require.ErrorContains(t, err, says, uri)
		require.ErrorAs(t, err, new(mongo.AddressError), uri)
		_, opened := mongo.Open(t.Context(), uri, mongo.Options{})
		require.Equal(t, err, opened, uri)
		for _, part := range []string{"secret", "bob", "tsl"} {
			require.NotContains(t, err.Error(), part, uri)
		}
	}
	for _, uri := range []string{
		"mongodb://bob:p%40ss@h1.example:1,h2.example/?replicaSet=rs0&authSource=admin&w=majority&retryWrites=true&journal=true",
		"mongodb://h/" + strings.Repeat("s", 63) + "?tls=true&readPreference=secondary&appName=x", "mongodb+srv://h.example/",
	} {
		require.NoError(t, mongo.CheckAddress(uri), uri)
	}
}
