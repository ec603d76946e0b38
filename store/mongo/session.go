package mongo

import (
	"context"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"

	"github.com/onward-health/onward/store"
)

// latest is the server's time of the last write of this program that was
// acknowledged. Every session begins there, so that what is read is no older: a
// cluster may acknowledge a transaction before all of its shards show it, and a new
// primary may not know at once what the old one had acknowledged.
type latest struct {
	mu sync.Mutex
	at *primitive.Timestamp
}

func (l *latest) get() *primitive.Timestamp {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

func (l *latest) advance(at *primitive.Timestamp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at != nil && (l.at == nil || at.After(*l.at)) {
		l.at = at
	}
}

// session begins a causally consistent session: what is read in it comes after what
// was read in it before. Without one, a reader that finds a version superseded on
// one shard may not find it among the superseded ones on another.
func (s *Store) session() (mongo.Session, error) {
	session, err := s.client.StartSession()
	if err != nil {
		return nil, err
	}
	if at := s.latest.get(); at != nil {
		_ = session.AdvanceOperationTime(at) // which fails only where it has ended
	}
	return session, nil
}

// follow has what is read in a session come after what another has done or was told.
func follow(session, other mongo.Session) {
	if at := other.OperationTime(); at != nil {
		_ = session.AdvanceOperationTime(at)
	}
}

// wrote takes note of a write in a session, or of one that was refused for another's.
func (s *Store) wrote(session mongo.Session) { s.latest.advance(session.OperationTime()) }

// enter begins a call: it refuses after Close, bounds the time, and has the call
// read and write in a session of its own.
func (s *Store) enter(ctx context.Context, most time.Duration) (context.Context, func(), error) {
	s.using.RLock()
	if s.closed {
		s.using.RUnlock()
		return nil, nil, store.ErrUnavailable
	}
	if err := ctx.Err(); err != nil {
		s.using.RUnlock()
		return nil, nil, fault(ctx, "begin", err)
	}
	session, err := s.session()
	if err != nil {
		s.using.RUnlock()
		return nil, nil, fault(ctx, "begin", err)
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	return mongo.NewSessionContext(ctx, session), func() {
		session.EndSession(ctx) // which sends nothing
		cancel()
		s.using.RUnlock()
	}, nil
}
