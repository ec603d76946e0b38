package wait

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAWaitEndsWithItsTimeOrItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	require.NoError(t, For(ctx, time.Nanosecond))
	cancel()
	require.ErrorIs(t, For(ctx, time.Hour), context.Canceled)
}
