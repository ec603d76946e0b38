package mongo

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/x/mongo/driver"
	"go.mongodb.org/mongo-driver/x/mongo/driver/topology"

	"github.com/onward-health/onward/store"
)

// DriverError is a fault of the server or the way to it. It carries the
// server's error code and no text of the driver's, which could quote data or
// the address. errors.Is finds store.ErrUnavailable in those that may pass and
// store.ErrTooLarge where a document is over the server's limit.
type DriverError struct {
	Doing string // what was being done, such as "search"
	Code  int    // MongoDB's error code; 0: no answer came
	is    error
}

func (e *DriverError) Error() string {
	if e.Code == 0 {
		return "store: " + e.Doing + ": no answer from MongoDB"
	}
	return fmt.Sprintf("store: %s: MongoDB error code %d", e.Doing, e.Code)
}

// Unwrap gives the error of package store that the fault stands for, if any.
func (e *DriverError) Unwrap() error { return e.is }

// Codes of the MongoDB manual's list of error codes.
const (
	codeUnauthorized         = 13
	codeAuthenticationFailed = 18
	codeUnsatisfiable        = 100 // UnsatisfiableWriteConcern
	codeNoCommand            = 59  // CommandNotFound
	codeNotSupported         = 115 // CommandNotSupported
	codeNotImplemented       = 238
	codeNoTransaction        = 251 // NoSuchTransaction
	codeTooMuchSorting       = 292 // QueryExceededMemoryLimitNoDiskUseAllowed
	codeAtlas                = 8000

	codeTooLarge  = 10334 // BSONObjectTooLarge
	codeTooLarge2 = 17280 // KeyTooLong
	codeTooLarge3 = 17419 // the update would make the document too large
	codeTooLarge4 = 17420
	codeTooLarge5 = 257 // TransactionTooLarge
	codeTooLarge6 = 388 // TransactionTooLargeForCache
)

// passing are the codes of a server that can't serve now: shutdown, election, host
// down, exceeded time or no primary; an operation, cursor or snapshot that it has
// given up; collections whose shards move; and one that is overloaded, out of disk
// space or closed to writes for a while.
var passing = func() map[int]bool {
	all := map[int]bool{}
	for _, code := range []int{
		6, 7, 24, 46, 50, 64, 79, 89, 91, 112, 117, 133, 134, 189, 202, 225, 251, 262, 290, 317, 358, 384, 9001, 10058, 10107, 11600, 11602, 13435, 13436,
		43, 175, 237, 239, 246, 279, 355, 11601,
		63, 150, 249, 250, 267, 272, 13388,
		365, 371, 402, 406, 407, 412, 433, 449, 450, 453, 462, 14031, 91331, 10045600,
	} {
		all[code] = true
	}
	return all
}()

// fault wraps an error of the driver. Errors of package store and of the
// caller's context keep their identity; no other text is passed through.
func fault(caller context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	// What was given up because its caller had is told as that.
	if ended := caller.Err(); ended != nil && errors.Is(err, store.ErrUnavailable) {
		return fmt.Errorf("store: %s: %w", doing, ended)
	}
	var conflict *store.ConflictError
	var known *DriverError
	if errors.As(err, &conflict) || errors.As(err, &known) || errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrNotFound) ||
		errors.Is(err, store.ErrCursor) || errors.Is(err, store.ErrUnfinished) || errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrTooCostly) || errors.Is(err, store.ErrUnavailable) {
		return err
	}
	if ended := caller.Err(); ended != nil {
		return fmt.Errorf("store: %s: %w", doing, ended)
	}
	var own ownError
	if errors.As(err, &own) {
		return own
	}
	if code := codeOf(err); code != 0 {
		e := &DriverError{Doing: doing, Code: code}
		if passing[code] || labelled(err, "RetryableWriteError") || labelled(err, "TransientTransactionError") {
			e.is = store.ErrUnavailable
		}
		switch code {
		case codeTooLarge, codeTooLarge2, codeTooLarge3, codeTooLarge4, codeTooLarge5, codeTooLarge6:
			e.is = store.ErrTooLarge
		case codeTooMuchSorting:
			e.is = store.ErrTooCostly
		}
		return e
	}
	if away(err) {
		return &DriverError{Doing: doing, is: store.ErrUnavailable}
	}
	return fmt.Errorf("store: %s: fault of type %T", doing, err)
}

// ownError is a fault that this package words itself, free of data.
type ownError string

func (e ownError) Error() string { return "store: " + string(e) }

// Is makes store.ErrDamaged of what says that.
func (e ownError) Is(target error) bool {
	return target == store.ErrDamaged && (e == errBody || e == errRecord)
}

// settled says of the error of a single write that the server has judged it: it
// wasn't carried out, unless that was the answer to a repetition.
func settled(err error) bool {
	var write mongo.WriteException
	if errors.As(err, &write) && write.WriteConcernError != nil {
		return false
	}
	return !passing[codeOf(err)] && !away(err)
}

// unsent says that no server was found to send to; where the driver had sent
// before, it gives that error and not this one.
func unsent(err error) bool {
	var selection topology.ServerSelectionError
	var busy topology.WaitQueueTimeoutError
	return errors.As(err, &selection) || errors.As(err, &busy) || poolless(err)
}

// poolless says that the connections to the server were given up because another
// command had met a fault.
func poolless(err error) bool {
	var cleared driver.RetryablePoolError
	var closed topology.PoolError
	return errors.As(err, &cleared) || errors.As(err, &closed)
}

// away says that no answer came: the server can't be reached, the connection
// broke, or our own deadline passed.
func away(err error) bool {
	var selection topology.ServerSelectionError
	var broken topology.ConnectionError
	var busy topology.WaitQueueTimeoutError
	return mongo.IsNetworkError(err) || mongo.IsTimeout(err) || errors.Is(err, mongo.ErrClientDisconnected) ||
		errors.Is(err, topology.ErrServerClosed) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.As(err, &selection) || errors.As(err, &broken) || errors.As(err, &busy) || poolless(err)
}

// codeOf is the server's error code, 0 where no server answered.
func codeOf(err error) int {
	var command mongo.CommandError
	var write mongo.WriteException
	var bulk mongo.BulkWriteException
	var raw driver.Error
	switch {
	case errors.As(err, &command):
		return int(command.Code)
	case errors.As(err, &write):
		if len(write.WriteErrors) > 0 {
			return write.WriteErrors[0].Code
		}
		if write.WriteConcernError != nil {
			return write.WriteConcernError.Code
		}
	case errors.As(err, &bulk):
		if len(bulk.WriteErrors) > 0 {
			return bulk.WriteErrors[0].Code
		}
		if bulk.WriteConcernError != nil {
			return bulk.WriteConcernError.Code
		}
	case errors.As(err, &raw):
		return int(raw.Code)
	}
	return 0
}

func duplicate(err error) bool { return mongo.IsDuplicateKeyError(err) }

func labelled(err error, label string) bool {
	var e mongo.LabeledError
	return errors.As(err, &e) && e.HasErrorLabel(label)
}
