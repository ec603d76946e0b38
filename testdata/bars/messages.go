// Package messages holds one conformant BaRS message of each kind, as README.md
// lists them, for package tester, which sends them, and for tests.
package messages

import "embed"

//go:embed *.json
var files embed.FS

// Read returns the message of a file, such as "a1-referral", with its places
// still to be filled in.
func Read(name string) ([]byte, error) { return files.ReadFile(name + ".json") }
