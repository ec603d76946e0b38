package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	barssandbox "github.com/onward-health/onward/adapters/barsapi/sandbox"
)

// keysCommand makes what an application needs to ask a token endpoint for access
// tokens: the sandbox's or any that takes signed client assertions.
type keysCommand struct {
	Generate  keysGenerate  `cmd:"" help:"Write a new key pair: private.pem, jwks.json and application.json, the registration for --sandbox-application."`
	Assertion keysAssertion `cmd:"" help:"Print a client assertion that is good for five minutes and one request."`
}

type keysGenerate struct {
	ClientID string `name:"client-id" required:"" help:"The application's id (its API key)."`
	KeyID    string `name:"kid" default:"onward-1" help:"The key's id."`
	Bits     int    `default:"4096" help:"Length of the RSA key."`
	Out      string `default:"." help:"Folder for the three files."`
}

type keysAssertion struct {
	ClientID string `name:"client-id" required:"" help:"The application's id (its API key)."`
	KeyID    string `name:"kid" default:"onward-1" help:"The key's id."`
	Key      string `default:"private.pem" help:"File of the private key."`
	Audience string `required:"" help:"The exact address of the token endpoint."`
}

// Run writes the files. It never writes over one: a key that is in use would be
// lost.
func (c *keysGenerate) Run() error {
	pair, err := barssandbox.NewKeyPair(c.ClientID, c.KeyID, c.Bits)
	if err != nil {
		return usage("keys generate: %v", err)
	}
	if err := os.MkdirAll(c.Out, 0o700); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		mode os.FileMode
		text []byte
	}{{"private.pem", 0o600, pair.PrivatePEM}, {"jwks.json", 0o644, pair.JWKS}, {"application.json", 0o644, pair.Registration}} {
		if err := writeNew(filepath.Join(c.Out, f.name), f.mode, f.text); err != nil {
			return err
		}
	}
	_, err = fmt.Printf("wrote private.pem, jwks.json and application.json to %s\n", c.Out)
	return err
}

func writeNew(name string, mode os.FileMode, text []byte) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if errors.Is(err, os.ErrExist) {
		return usage("keys generate: %s is there already", name)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}

// Run prints the assertion.
func (c *keysAssertion) Run() error {
	key, err := os.ReadFile(c.Key)
	if err != nil {
		return err
	}
	text, err := barssandbox.SignAssertion(key, barssandbox.Assertion{
		ClientID: c.ClientID, KeyID: c.KeyID, Audience: c.Audience, ID: uuid.NewString(), Expires: time.Now().Add(5 * time.Minute)})
	if err != nil {
		return usage("keys assertion: %v", err)
	}
	_, err = fmt.Println(text)
	return err
}
