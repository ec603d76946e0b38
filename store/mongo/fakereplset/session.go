package fakereplset

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/256dpi/lungo"
	"go.mongodb.org/mongo-driver/bson"
)

// session is what the server knows of a client's session: its last transaction,
// or the answer to its last retryable write.
type session struct {
	mu     sync.Mutex
	number int64
	txn    *lungo.Transaction // nil when it is over
	wrote  bool               // that has written
	state  string             // of a transaction: "starting", "open", "committed" or "aborted"

	writing  sync.Mutex // held while a retryable write is carried out
	answered bson.D
}

func get(d bson.D, name string) any {
	for _, e := range d {
		if e.Key == name {
			return e.Value
		}
	}
	return nil
}

func sessionKey(d bson.D) string { return fmt.Sprint(get(d, "lsid")) }

func number(d bson.D) int64 { n, _ := get(d, "txnNumber").(int64); return n }

// writing are the commands that write.
var writing = map[string]bool{"insert": true, "update": true, "delete": true, "findAndModify": true, "shardCollection": true}

// run carries out a command in its transaction, if it has one, else on its own.
func (s *Server) run(d bson.D) bson.D {
	if reply := s.refused(d[0].Key, d); reply != nil {
		s.spoil(d, reply)
		return reply
	}
	reply := s.carryOut(d)
	s.acknowledged(d)
	return reply
}

func (s *Server) carryOut(d bson.D) bson.D {
	name := d[0].Key
	if name == "aggregate" && isStream(d) {
		return s.openStream(d)
	}
	if name == "getMore" {
		if reply := s.moreOf(d); reply != nil {
			return reply
		}
	}
	if get(d, "autocommit") != nil && !s.o.NoTransactions {
		return s.inTransaction(name, d)
	}
	if name == "commitTransaction" || name == "abortTransaction" {
		return ok()
	}
	if get(d, "txnNumber") != nil && get(d, "autocommit") == nil {
		return s.retryable(name, d)
	}
	return s.alone(name, d)
}

// retryable carries out a write once: the same number again gets the same answer,
// and one that comes after a newer one of its session is refused. A session does
// one at a time.
func (s *Server) retryable(name string, d bson.D) bson.D {
	s.mu.Lock()
	se := s.sessions[sessionKey(d)]
	if se == nil {
		se = &session{}
		s.sessions[sessionKey(d)] = se
	}
	s.mu.Unlock()
	se.writing.Lock()
	defer se.writing.Unlock()
	se.mu.Lock()
	last, answered := se.number, se.answered
	se.mu.Unlock()
	switch {
	case number(d) < last:
		return Failure(225, "TransactionTooOld", "the session has begun a newer one")
	case number(d) == last && answered != nil:
		return answered
	}
	se.mu.Lock()
	s.abort(se)
	se.number, se.state, se.answered = number(d), "", nil
	se.mu.Unlock()
	reply := s.alone(name, d)
	se.mu.Lock()
	defer se.mu.Unlock()
	if se.number == number(d) {
		se.answered = reply
	}
	return reply
}

// Forget makes the server forget its sessions, as one does that didn't have
// their records: open transactions end, and neither a transaction nor a
// retryable write that was carried out is known any more.
func (s *Server) Forget() {
	s.mu.Lock()
	sessions := s.sessions
	s.sessions = map[string]*session{}
	s.mu.Unlock()
	for _, se := range sessions {
		se.mu.Lock()
		s.abort(se)
		se.mu.Unlock()
	}
}

// end forgets the sessions that a client has done with.
func (s *Server) end(d bson.D) {
	for _, id := range list(d, "endSessions") {
		key := fmt.Sprint(id)
		s.mu.Lock()
		se := s.sessions[key]
		delete(s.sessions, key)
		s.mu.Unlock()
		if se != nil {
			se.mu.Lock()
			s.abort(se)
			se.mu.Unlock()
		}
	}
}

// alone carries out a command outside a transaction.
func (s *Server) alone(name string, d bson.D) bson.D {
	if !writing[name] {
		txn, err := s.readable(d)
		if err != nil {
			return Failure(91, "ShutdownInProgress", err.Error())
		}
		return s.command(txn, name, d)
	}
	txn, err := s.engine.Begin(context.Background(), true)
	if err != nil {
		return Failure(91, "ShutdownInProgress", err.Error())
	}
	reply := s.command(txn, name, d)
	changed := txn.Dirty()
	if err := s.engine.Commit(txn); err != nil {
		return Failure(91, "ShutdownInProgress", err.Error())
	}
	if changed {
		s.wrote()
	}
	return reply
}

func (s *Server) inTransaction(name string, d bson.D) bson.D {
	key, n := sessionKey(d), number(d)
	s.mu.Lock()
	se := s.sessions[key]
	s.mu.Unlock()
	if get(d, "startTransaction") != nil {
		if se != nil {
			se.mu.Lock()
			last := se.number
			if last < n {
				s.abort(se)
			}
			se.mu.Unlock()
			if last >= n {
				return Failure(225, "TransactionTooOld", "the session has begun a newer one", "TransientTransactionError")
			}
		}
		// Writers wait for each other. A client that has given up meanwhile aborts
		// before the transaction begins.
		se = &session{number: n, state: "starting"}
		s.mu.Lock()
		s.sessions[key] = se
		s.mu.Unlock()
		txn, err := s.engine.Begin(context.Background(), true)
		if err != nil {
			return Failure(91, "ShutdownInProgress", err.Error(), "TransientTransactionError")
		}
		se.mu.Lock()
		if se.state != "starting" {
			se.mu.Unlock()
			s.engine.Abort(txn)
			return gone()
		}
		se.txn, se.state = txn, "open"
		se.mu.Unlock()
		started := se
		time.AfterFunc(s.o.Lifetime, func() {
			started.mu.Lock()
			defer started.mu.Unlock()
			if started.state == "open" {
				s.abort(started)
			}
		})
	}
	if se == nil || se.number != n {
		return gone()
	}
	se.mu.Lock()
	defer se.mu.Unlock()
	switch {
	case name == "commitTransaction" && se.state == "committed":
		return ok()
	case name == "abortTransaction" && (se.state == "starting" || se.state == "open"):
		s.abort(se)
		return ok()
	case se.state != "open":
		return gone()
	case name == "commitTransaction" && s.o.Arbiter && se.wrote:
		s.abort(se)
		return Failure(148, "ReadConcernMajorityNotEnabled", "transaction was aborted: a shard has an arbiter")
	case name == "commitTransaction":
		var before *lungo.Transaction
		changed := se.txn.Dirty()
		if s.o.Trailing && changed {
			before, _ = s.engine.Begin(context.Background(), false)
		}
		err := s.engine.Commit(se.txn)
		se.txn, se.state = nil, "committed"
		if err != nil {
			se.state = "aborted"
			return Failure(91, "ShutdownInProgress", err.Error(), "TransientTransactionError")
		}
		if changed {
			s.wrote()
			s.trail(before)
		}
		return ok()
	}
	se.wrote = se.wrote || writing[name]
	reply := s.command(se.txn, name, d)
	if get(reply, "ok") != 1.0 || get(reply, "writeErrors") != nil {
		s.abort(se) // a failing command ends the transaction
	}
	return reply
}

func (s *Server) abort(se *session) {
	switch se.state {
	case "open":
		s.engine.Abort(se.txn)
		se.txn, se.state = nil, "aborted"
	case "starting":
		se.state = "aborted"
	}
}

// spoil ends the transaction of a command that a Hook answers with an error.
func (s *Server) spoil(d bson.D, reply bson.D) {
	if get(d, "autocommit") == nil {
		return
	}
	labels := fmt.Sprint(get(reply, "errorLabels"))
	if d[0].Key == "commitTransaction" && labels != "[TransientTransactionError]" {
		return // it may be sent again
	}
	s.mu.Lock()
	se := s.sessions[sessionKey(d)]
	s.mu.Unlock()
	if get(d, "startTransaction") != nil {
		s.mu.Lock()
		s.sessions[sessionKey(d)] = &session{number: number(d), state: "aborted"}
		s.mu.Unlock()
	}
	if se != nil {
		se.mu.Lock()
		defer se.mu.Unlock()
		s.abort(se)
	}
}

func ok(more ...bson.E) bson.D { return append(bson.D(more), bson.E{Key: "ok", Value: 1.0}) }

func gone() bson.D {
	return Failure(251, "NoSuchTransaction", "there is no such transaction", "TransientTransactionError")
}

// Failure is a command error as a server words it, for a Hook's Reply.
func Failure(code int32, name, text string, labels ...string) bson.D {
	d := bson.D{{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: text}, {Key: "code", Value: code}, {Key: "codeName", Value: name}}
	if len(labels) > 0 {
		list := bson.A{}
		for _, l := range labels {
			list = append(list, l)
		}
		d = append(d, bson.E{Key: "errorLabels", Value: list})
	}
	return d
}
