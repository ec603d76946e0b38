package main

import (
	"errors"
	"fmt"

	"github.com/onward-health/onward/fhir"
)

// Exit codes, as docs/operations.md lists them.
const (
	exitFault = 1 // something went wrong, or a check found something
	exitUsage = 2 // the command makes no sense as it was given
	exitStore = 3 // the store can't be opened

	exitUnreachable = 3 // the receiver that is tested can't be reached

	exitRefused = 4 // a message was refused for good
	exitLater   = 5 // a message was not delivered; the same may be later
)

// exitError is an error with the code that the process ends with.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// behind is what an answer to callers hides from them and whoever runs a command must
// know, such as that the disk is full.
func behind(err error) error {
	var answer *fhir.Outcome
	if errors.As(err, &answer) && answer.Cause != nil {
		return answer.Cause
	}
	return err
}

func exitCode(err error) int {
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	return exitFault
}
