package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
	"github.com/onward-health/onward/store/sqlite"
)

// opening says how a store is opened.
type opening struct {
	sync     string // full or normal
	readOnly bool   // beside a running server too
	there    bool   // it must be there already: none is made
	into     bool   // to copy into
	bulk     bool   // to load much at once
	log      *slog.Logger
}

// bulkStore is what both engines are.
type bulkStore interface {
	store.Store
	store.CopyTarget
}

// openStore opens the store that a URI names.
func openStore(ctx context.Context, uri string, o opening) (bulkStore, error) {
	if isMongo(uri) {
		db, err := mongo.Open(ctx, uri, mongo.Options{Import: o.into, Existing: o.there})
		var wrong mongo.AddressError
		if errors.As(err, &wrong) {
			return nil, usage("%w", wrong)
		}
		if err != nil {
			return nil, cantOpen(err)
		}
		return db, nil
	}
	path, err := sqlitePath(uri)
	if err != nil {
		return nil, err
	}
	db, err := sqlite.Open(ctx, path, sqlite.Options{Sync: strings.ToUpper(o.sync), ReadOnly: o.readOnly, Existing: o.there, Import: o.into, Bulk: o.bulk, Log: o.log})
	if err != nil {
		return nil, cantOpen(err)
	}
	return db, nil
}

func sqlitePath(uri string) (string, error) {
	path, found := strings.CutPrefix(uri, "sqlite:")
	if !found || path == "" {
		return "", usage("a store (--store) is sqlite:PATH, sqlite::memory: for one that ends with the process, or a mongodb URI")
	}
	return path, nil
}

func isMongo(uri string) bool {
	return strings.HasPrefix(uri, "mongodb://") || strings.HasPrefix(uri, "mongodb+srv://")
}

// storeName is what may be said of a store: a URI can hold a password.
func storeName(uri string) string {
	if isMongo(uri) {
		return "MongoDB"
	}
	return uri
}

func engineOf(uri string) string {
	if isMongo(uri) {
		return "mongodb"
	}
	return "sqlite"
}
