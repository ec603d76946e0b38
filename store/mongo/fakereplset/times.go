package fakereplset

import (
	"context"

	"github.com/256dpi/lungo"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// past is a state of the data that reads are still given, and the time of the last
// write in it.
type past struct {
	txn   *lungo.Transaction
	at    primitive.Timestamp
	whole bool // else only for collections other than res
	over  chan struct{}
}

// Stall makes the majority of the set stop following the primary: reads are given
// what it has so far, and what is written is carried out but not acknowledged.
func (s *Server) Stall() error {
	txn, err := s.engine.Begin(context.Background(), false)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stalled = &past{txn, s.stamp, true, make(chan struct{})}
	return nil
}

// CatchUp ends a Stall.
func (s *Server) CatchUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.stalled.over)
	s.stalled = nil
}

// acknowledged waits until the majority has what a write has written.
func (s *Server) acknowledged(d bson.D) {
	name := d[0].Key
	if name != "commitTransaction" && (!writing[name] || get(d, "autocommit") != nil) {
		return
	}
	s.mu.Lock()
	stalled := s.stalled
	s.mu.Unlock()
	if stalled == nil {
		return
	}
	select {
	case <-stalled.over:
	case <-s.ending:
	}
}

// readable is the state that a read outside of transactions is given.
func (s *Server) readable(d bson.D) (*lungo.Transaction, error) {
	after, causal := get(*sub(d, "readConcern"), "afterClusterTime").(primitive.Timestamp)
	collection, _ := d[0].Value.(string)
	s.mu.Lock()
	stalled := s.stalled
	if s.trailing != nil && causal && !after.Before(s.trailing.at) {
		s.trailing = nil
	}
	trailing := s.trailing
	s.mu.Unlock()
	switch {
	case stalled != nil && !(causal && after.After(stalled.at)):
		return stalled.txn, nil
	case stalled != nil:
		select {
		case <-stalled.over:
		case <-s.ending:
		}
	case trailing != nil && (trailing.whole || collection != "res"):
		return trailing.txn, nil
	}
	return s.engine.Begin(context.Background(), false)
}

// Show has all shards show what was written.
func (s *Server) Show() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trailing = nil
}

// trail has a transaction show on some of the shards only, in turn on none, until
// something is written or somebody reads who has to see it.
func (s *Server) trail(before *lungo.Transaction) {
	if before == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trailing = &past{before, s.stamp, s.writes%2 == 0, nil}
}

// tick is the time of the next write.
func (s *Server) tick() {
	now := uint32(s.o.Now().Unix())
	if now > s.stamp.T {
		s.stamp = primitive.Timestamp{T: now}
	}
	s.stamp.I++
}

// timed adds to an answer what a server says of its time: how far the one that reads
// has come, and how far the set.
func (s *Server) timed(reply bson.D) bson.D {
	if s.o.Standalone {
		return reply
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at, latest := s.stamp, s.stamp
	if s.stalled != nil {
		at, latest.T = s.stalled.at, max(latest.T, uint32(s.o.Now().Unix())) // a primary writes of its own accord
	}
	return append(append(bson.D{}, reply...), bson.E{Key: "operationTime", Value: at},
		bson.E{Key: "$clusterTime", Value: bson.D{{Key: "clusterTime", Value: latest}}})
}
