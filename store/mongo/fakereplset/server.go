package fakereplset

import (
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/256dpi/lungo"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// Options say which server to play; the zero value is a sound replica set.
type Options struct {
	Standalone     bool             // no replica set
	Cluster        bool             // mongos before a cluster of one shard
	Arbiter        bool             // a cluster that refuses transactions over several shards, as with an arbiter in one
	Hosts          []string         // further members of the set, which nobody plays
	Trailing       bool             // a cluster that acknowledges a transaction before all shards show it
	NoTransactions bool             // what a transaction writes stays, whatever becomes of it
	LostUpdates    bool             // findAndModify finds what another has changed
	NoStreams      bool             // no change streams
	DoubleIDs      bool             // one _id may be inserted twice
	WireVersion    int32            // 21 (server 7.0) if 0
	Now            func() time.Time // its clock; time.Now if nil
	Lifetime       time.Duration    // after which an open transaction is aborted; a minute if 0
}

// Call is one command as it came in, sequences folded in. N counts the commands
// of its name since the Hook was set, from 1.
type Call struct {
	Name string
	N    int
	Doc  bson.Raw
}

// Fault is what a Hook wants done to a command. With Apply the command is
// carried out first, with Late once that channel is closed, as one that waited
// in the server while its client gave up. Then Reply is sent in place of its
// answer, or the connection dropped.
type Fault struct {
	Apply bool
	Late  <-chan struct{}
	Drop  bool
	Reply bson.D
}

// Server is the fake.
type Server struct {
	o      Options
	at     string // address
	engine *lungo.Engine

	mu       sync.Mutex
	in       net.Listener
	conns    map[net.Conn]bool
	closed   bool
	hook     func(Call) *Fault
	counts   map[string]int
	record   bool
	log      []Call
	sessions map[string]*session
	cursors  map[int64]*cursor
	next     int64
	indexes  map[string][]bson.D
	sharded  map[string]string // shard keys by namespace
	streams  map[int64]*stream
	stamp    primitive.Timestamp // of the last write
	stalled  *past
	trailing *past
	writes   int           // that were carried out
	written  chan struct{} // closed by the next
	ending   chan struct{} // closed by Close
	done     sync.WaitGroup
	late     sync.WaitGroup // commands that wait for Fault.Late
}

// Start opens a server on a free loopback port.
func Start(o Options) (*Server, error) {
	if o.WireVersion == 0 {
		o.WireVersion = 21
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Lifetime == 0 {
		o.Lifetime = time.Minute
	}
	engine, err := lungo.CreateEngine(lungo.Options{Store: lungo.NewMemoryStore(), MinOplogSize: 1, MaxOplogSize: 2, MinOplogAge: 1, MaxOplogAge: 1})
	if err != nil {
		return nil, err
	}
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		engine.Close()
		return nil, err
	}
	s := &Server{o: o, at: in.Addr().String(), in: in, engine: engine, conns: map[net.Conn]bool{}, stamp: primitive.Timestamp{T: uint32(o.Now().Unix())}, counts: map[string]int{}, sessions: map[string]*session{},
		cursors: map[int64]*cursor{}, next: 1, indexes: map[string][]bson.D{}, sharded: map[string]string{},
		streams: map[int64]*stream{}, written: make(chan struct{}), ending: make(chan struct{})}
	s.done.Add(1)
	go s.accept(in)
	return s, nil
}

// URI is the address to connect to.
func (s *Server) URI() string {
	if s.o.Standalone || s.o.Cluster {
		return "mongodb://" + s.at + "/fake"
	}
	return "mongodb://" + s.at + "/fake?replicaSet=rs0"
}

// Hook sets what is asked before each command but the handshake; nil ends it.
func (s *Server) Hook(f func(Call) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook, s.counts = f, map[string]int{}
}

// Count is how many commands of a name have come in since the Hook was set.
func (s *Server) Count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[name]
}

// Record starts a new log of commands.
func (s *Server) Record() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record, s.log = true, nil
}

// Log is what has come in since Record, in order.
func (s *Server) Log() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Call{}, s.log...)
}

// Settle waits until the commands whose Fault.Late is closed are carried out.
func (s *Server) Settle() { s.late.Wait() }

// Close ends the server and its connections.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.closed {
		close(s.ending)
	}
	s.closed = true
	_ = s.in.Close()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.late.Wait()
	s.engine.Close()
	s.done.Wait()
}

// Cut makes the server unreachable: nobody gets in, every connection breaks, and
// transactions that are open end, as when a primary steps down. What was
// committed stays.
func (s *Server) Cut() {
	s.mu.Lock()
	_ = s.in.Close()
	for c := range s.conns {
		_ = c.Close()
	}
	sessions := slices.Collect(maps.Values(s.sessions))
	s.mu.Unlock()
	for _, se := range sessions {
		se.mu.Lock()
		s.abort(se)
		se.mu.Unlock()
	}
}

// Restore ends a Cut.
func (s *Server) Restore() error {
	in, err := net.Listen("tcp", s.at)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.in = in
	s.done.Add(1)
	go s.accept(in)
	return nil
}

func (s *Server) accept(in net.Listener) {
	defer s.done.Done()
	for {
		c, err := in.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = c.Close()
			return
		}
		s.conns[c] = true
		s.done.Add(1)
		s.mu.Unlock()
		go s.serve(c)
	}
}

func (s *Server) serve(c net.Conn) {
	defer s.done.Done()
	defer func() {
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		_ = c.Close()
	}()
	for {
		m, err := readMessage(c)
		if err != nil {
			return
		}
		reply, drop := s.answer(m)
		if drop {
			return
		}
		if err := m.reply(c, s.timed(reply)); err != nil {
			return
		}
	}
}

// answer carries out a command, or what the Hook makes of it.
func (s *Server) answer(m *message) (reply bson.D, drop bool) {
	name := m.doc[0].Key
	switch name {
	case "hello", "isMaster", "ismaster":
		return s.hello(), false
	case "endSessions":
		s.end(m.doc)
		return ok(), false
	case "killCursors":
		s.kill(m.doc)
		return ok(), false
	case "ping":
		return ok(), false
	}
	fault := s.meet(name, m.doc)
	if fault == nil {
		return s.run(m.doc), false
	}
	if fault.Late != nil {
		s.late.Go(func() {
			select {
			case <-fault.Late:
				s.run(m.doc)
			case <-s.ending:
			}
		})
	} else if fault.Apply {
		s.run(m.doc)
	} else if !fault.Drop {
		s.spoil(m.doc, fault.Reply)
	}
	return fault.Reply, fault.Drop
}

func (s *Server) meet(name string, doc bson.D) *Fault {
	s.mu.Lock()
	s.counts[name]++
	n, hook, record := s.counts[name], s.hook, s.record
	s.mu.Unlock()
	if hook == nil && !record {
		return nil
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		return nil
	}
	call := Call{name, n, raw}
	if record {
		s.mu.Lock()
		s.log = append(s.log, call)
		s.mu.Unlock()
	}
	if hook == nil {
		return nil
	}
	return hook(call)
}

func (s *Server) hello() bson.D {
	d := bson.D{{Key: "helloOk", Value: true}, {Key: "isWritablePrimary", Value: true}, {Key: "ismaster", Value: true}}
	switch {
	case s.o.Standalone:
	case s.o.Cluster:
		d = append(d, bson.E{Key: "msg", Value: "isdbgrid"}, bson.E{Key: "logicalSessionTimeoutMinutes", Value: int32(30)})
	default:
		d = append(d, bson.D{{Key: "setName", Value: "rs0"}, {Key: "setVersion", Value: int32(1)}, {Key: "hosts", Value: append([]string{s.at}, s.o.Hosts...)},
			{Key: "me", Value: s.at}, {Key: "primary", Value: s.at}, {Key: "logicalSessionTimeoutMinutes", Value: int32(30)}}...)
	}
	return append(d, bson.D{{Key: "maxBsonObjectSize", Value: int32(16777216)}, {Key: "maxMessageSizeBytes", Value: int32(48000000)},
		{Key: "maxWriteBatchSize", Value: int32(100000)}, {Key: "localTime", Value: primitive.NewDateTimeFromTime(s.o.Now())}, {Key: "minWireVersion", Value: int32(0)},
		{Key: "maxWireVersion", Value: s.o.WireVersion}, {Key: "ok", Value: 1.0}}...)
}
