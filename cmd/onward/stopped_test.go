package main

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// Ensure that who stops a command is told where that leaves them, not which call of
// the store it met, and that a fault is told as it is.
func TestACommandThatWasStoppedSaysWhatComesNext(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	fault := errors.New("the disk is full")
	require.NoError(t, ended(ctx, nil, "go on"))
	require.Equal(t, fault, ended(ctx, fault, "go on"))
	stop()
	require.NoError(t, ended(ctx, nil, "go on"))
	require.EqualError(t, ended(ctx, context.Canceled, "go on"), "stopped before the end: go on")
	require.Equal(t, exitFault, exitCode(ended(ctx, context.Canceled, "go on")))
}
