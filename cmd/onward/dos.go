package main

import (
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/onward-health/onward/adapters/dos"
)

// dosAsking holds the flags of the Directory of Services; docs/operations.md
// explains each.
type dosAsking struct {
	URL          string `env:"ONWARD_DOS_URL" help:"Address of the Directory of Services, without path; default the sandbox's, where it is on."`
	Username     string `env:"ONWARD_DOS_USERNAME" help:"Our account there; its password comes from ONWARD_DOS_PASSWORD or --dos-password-file."`
	PasswordFile string `env:"ONWARD_DOS_PASSWORD_FILE" name:"password-file" help:"File with the account's password."`
}

// passwordVariable is no flag: a password on a command line is seen by everybody
// on the machine.
const passwordVariable = "ONWARD_DOS_PASSWORD"

// maxPassword bounds the file of a password in bytes.
const maxPassword = 4 << 10

// client asks the directory; nil where none is set up.
func (d *dosAsking) client() (*dos.Client, error) {
	if d.URL == "" {
		if d.Username != "" || d.PasswordFile != "" {
			return nil, usage("--dos-username and --dos-password-file need --dos-url")
		}
		return nil, nil
	}
	base, err := dos.SafeBase(d.URL)
	if err != nil {
		return nil, usage("--dos-url: %w", err)
	}
	password := os.Getenv(passwordVariable)
	if password == "" && d.PasswordFile != "" {
		info, err := os.Stat(d.PasswordFile)
		if err != nil || info.Size() > maxPassword {
			return nil, usage("--dos-password-file: the file can't be read, or is no password's")
		}
		text, err := os.ReadFile(d.PasswordFile)
		if err != nil {
			return nil, usage("--dos-password-file: the file can't be read")
		}
		password = strings.TrimRight(string(text), "\r\n")
	}
	if d.Username == "" || password == "" {
		return nil, usage("the directory needs --dos-username and a password, from %s or --dos-password-file", passwordVariable)
	}
	return &dos.Client{Base: base, Account: dos.Account{Username: d.Username, Password: password},
		HTTP: &http.Client{}, Breaker: dos.NewBreaker(time.Now)}, nil
}
