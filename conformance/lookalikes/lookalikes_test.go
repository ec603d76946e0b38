// Package lookalikes_test shows that servers of others that speak MongoDB's
// protocol, and can't keep what the store promises, are refused by the built
// binary with the reason, and find nothing in their databases afterwards.
package lookalikes_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

const cantOpen = 3 // the exit code of a store that can't be opened

func TestMongoJavaServerIsRefused(t *testing.T) {
	binary := built(t)
	classpath, err := os.ReadFile("target/classpath")
	require.NoError(t, err, "make lookalikes writes it")
	server := exec.Command("java", "-cp", "target/classes"+string(os.PathListSeparator)+strings.TrimSpace(string(classpath)), "LookAlike")
	out, err := server.StdoutPipe()
	require.NoError(t, err)
	begin(t, server)
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	refused(t, binary, strings.TrimSpace(line), "refuses a command as one that it doesn't have (error code 59)")
}

func TestFerretDBIsRefused(t *testing.T) {
	binary := built(t)
	ferret := os.Getenv("ONWARD_FERRETDB")
	if ferret == "" {
		t.Skip("ONWARD_FERRETDB names no binary of FerretDB 1: it isn't tried")
	}
	for set, reason := range map[string]string{"": "must run as a replica set", "rs0": "self-test a failed: this server has no transactions"} {
		folder, at := t.TempDir(), freePort(t)
		server := exec.Command(ferret, "--handler=sqlite", "--sqlite-url=file:"+folder+"/", "--state-dir="+folder, "--listen-addr="+at, "--debug-addr=-", "--telemetry=disable", "--repl-set-name="+set)
		server.Dir = folder
		begin(t, server)
		refused(t, binary, "mongodb://"+at, reason)
	}
}

func built(t *testing.T) string {
	binary := os.Getenv("ONWARD_BINARY")
	if binary == "" {
		t.Skip("ONWARD_BINARY names no built binary: `make lookalikes` does")
	}
	return binary
}

// begin starts a server, which the test's end kills.
func begin(t *testing.T, server *exec.Cmd) {
	_, err := server.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
}

func freePort(t *testing.T) string {
	in, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer in.Close()
	return in.Addr().String()
}

// refused has the binary open a store there in every way, and looks what it left.
func refused(t *testing.T, binary, server, reason string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := mongo.Connect(ctx, options.Client().ApplyURI(server).SetDirect(true))
	require.NoError(t, err)
	defer func() { _ = client.Disconnect(ctx) }()
	// What is made there is seen, so that to see nothing means something.
	_, err = client.Database("other").Collection("x").InsertOne(ctx, bson.D{{Key: "_id", Value: 1}})
	require.NoError(t, err)

	uri := strings.TrimSuffix(server, "/") + "/onward?appName=hunter2"
	from := "sqlite:" + filepath.Join(t.TempDir(), "onward.db")
	filled := exec.CommandContext(ctx, binary, "seed", "--scale", "10", "--store", from)
	said, err := filled.CombinedOutput()
	require.NoError(t, err, string(said))
	for _, args := range []string{"serve --listen 127.0.0.1:0", "store check", "store copy --from " + from, "store reindex", "outbox list", "seed --scale 10"} {
		cmd := exec.CommandContext(ctx, binary, strings.Fields(args)...)
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), "ONWARD_STORE="+uri, "ONWARD_COPY_TO="+uri)
		began := time.Now()
		said, err := cmd.CombinedOutput()
		var ended *exec.ExitError
		require.True(t, errors.As(err, &ended), "%s: %v", args, err)
		require.Equal(t, cantOpen, ended.ExitCode(), "%s: %s", args, said)
		require.Contains(t, string(said), reason, args)
		for _, part := range []string{"hunter2", strings.TrimPrefix(server, "mongodb://")} {
			require.NotContains(t, string(said), part, args)
		}
		t.Logf("%s: refused in %v: %s", args, time.Since(began).Round(time.Millisecond), strings.TrimSpace(string(said)))
	}
	names, err := client.ListDatabaseNames(ctx, bson.D{})
	require.NoError(t, err)
	require.Contains(t, names, "other")
	require.NotContains(t, names, "onward")
	made, err := client.Database("onward").ListCollectionNames(ctx, bson.D{})
	require.NoError(t, err)
	require.Empty(t, made)
}
