package fakereplset

import (
	"fmt"
	"time"

	"github.com/256dpi/lungo"
	"go.mongodb.org/mongo-driver/bson"
)

// stream is an open change stream. Its events say only that something was
// written, which is all that the engine asks.
type stream struct {
	ns   lungo.Handle
	seen int // writes that it has told
}

// isStream says whether a command opens a change stream.
func isStream(d bson.D) bool {
	pipeline := list(d, "pipeline")
	if len(pipeline) == 0 {
		return false
	}
	stage, is := pipeline[0].(bson.D)
	return is && len(stage) > 0 && stage[0].Key == "$changeStream"
}

func (s *Server) openStream(d bson.D) bson.D {
	if s.o.NoStreams {
		return Failure(40324, "Location40324", "unknown stage")
	}
	collection, _ := d[0].Value.(string)
	db, _ := get(d, "$db").(string)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	st := &stream{lungo.Handle{db, collection}, s.writes}
	s.streams[s.next] = st
	return ok(cursorReply(s.next, st.ns, "firstBatch", bson.A{}))
}

// moreOf waits for a write, as long as the command says; nil where the cursor is
// no stream.
func (s *Server) moreOf(d bson.D) bson.D {
	id, _ := d[0].Value.(int64)
	s.mu.Lock()
	st := s.streams[id]
	s.mu.Unlock()
	if st == nil {
		return nil
	}
	wait := time.Second
	if ms, is := get(d, "maxTimeMS").(int64); is {
		wait = time.Duration(ms) * time.Millisecond
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		s.mu.Lock()
		written, n := s.written, s.writes
		s.mu.Unlock()
		if n > st.seen {
			st.seen = n
			event := bson.D{{Key: "_id", Value: bson.D{{Key: "_data", Value: fmt.Sprintf("%016x", n)}}}}
			return ok(cursorReply(id, st.ns, "nextBatch", bson.A{event}))
		}
		select {
		case <-written:
		case <-s.ending:
			return Failure(91, "ShutdownInProgress", "shutting down")
		case <-timer.C:
			return ok(cursorReply(id, st.ns, "nextBatch", bson.A{}))
		}
	}
}

// wrote wakes the streams.
func (s *Server) wrote() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	s.tick()
	s.trailing = nil
	close(s.written)
	s.written = make(chan struct{})
}
