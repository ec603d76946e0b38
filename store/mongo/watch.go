package mongo

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// How often a reader of the feed looks by itself for what other processes wrote:
// often where the server gives no change stream, else in case it misses one.
const (
	pollEvery     = 250 * time.Millisecond
	pollStreaming = 2 * time.Second
)

// watch is the change stream that wakes those who wait. It only wakes: what has
// changed is read from the collections, so that a server which gives no stream,
// or whose log has rolled over, costs time and no change.
type watch struct {
	once      sync.Once
	ctx       context.Context
	end       context.CancelFunc
	done      sync.WaitGroup
	streaming atomic.Bool
}

// watchServer opens the stream with the first reader that waits.
func (s *Store) watchServer() {
	s.watch.once.Do(func() {
		s.watch.done.Add(1)
		go func() {
			defer s.watch.done.Done()
			for n := 0; s.stream(); n++ {
				if pause(s.watch.ctx, n) != nil {
					return
				}
			}
		}()
	})
}

// stream listens until the stream breaks, and says whether to try again.
func (s *Store) stream() bool {
	ctx := s.watch.ctx
	only := mongo.Pipeline{{{Key: "$project", Value: bson.D{{Key: "_id", Value: 1}}}}}
	stream, err := s.res.Watch(ctx, only, options.ChangeStream().SetMaxAwaitTime(time.Second))
	if err != nil {
		return ctx.Err() == nil && (passing[codeOf(err)] || away(err))
	}
	s.watch.streaming.Store(true)
	defer s.watch.streaming.Store(false)
	defer stream.Close(context.WithoutCancel(ctx))
	s.news.Tell() // what came before the stream stood
	for stream.Next(ctx) {
		s.news.Tell()
	}
	return ctx.Err() == nil
}

// pollTime is how long a reader waits before it looks by itself.
func (s *Store) pollTime() time.Duration {
	if s.watch.streaming.Load() {
		return pollStreaming
	}
	return pollEvery
}
