package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/onward-health/onward/adapters/barsapi"
	"github.com/onward-health/onward/adapters/nhs111"
	"github.com/onward-health/onward/adapters/subscription"
	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/internal/egress"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/store"
)

// workers are what runs beside the doors.
type workers struct {
	outbox []*outbox.Worker
	fanout *subscription.Fanout
	more   []func(context.Context)
}

// senders are what sends the messages of the outbox.
type senders struct {
	messages *barsapi.Client
	registry *barsapi.Client // nil: no pointers are left
	reports  *nhs111.Sender
	acks     *nhs111.AckSender
}

func newWorkers(db store.Store, desk *bars.Desk, reach *egress.Policy, by senders, m *metrics, owner string, log *slog.Logger) *workers {
	policy := subscription.Policy()
	client := &subscription.Client{Desk: desk, HTTP: reach.Client(policy.Timeout), Now: time.Now, Log: log}
	by.reports.Note = desk.NoteDelivery
	routes := map[string]outbox.Route{
		barsapi.KindMessage: {Sender: &barsapi.Sender{Client: by.messages, Way: desk.Way}, Policy: barsapi.SendPolicy()},
		nhs111.OutboxKind:   {Sender: by.reports, Policy: nhs111.SendPolicy()},
		nhs111.AckKind:      {Sender: by.acks},
	}
	if by.registry != nil {
		routes[barsapi.KindPointer] = outbox.Route{Sender: &barsapi.PointerSender{Client: by.registry}, Policy: barsapi.SendPolicy()}
	}
	worker := func(routes map[string]outbox.Route, together int) *outbox.Worker {
		return outbox.NewWorker(db, outbox.Options{Owner: owner, Log: log, Routes: routes, Together: together, Attempted: m.attempts(routes)})
	}
	// Notifications have a worker of their own: whoever may subscribe could else take
	// every place with endpoints that don't answer.
	told := worker(map[string]outbox.Route{subscription.Kind: {Sender: client, Policy: policy}}, subscription.Together)
	m.caughtUp(time.Now())
	return &workers{
		outbox: []*outbox.Worker{worker(routes, 0), told},
		fanout: &subscription.Fanout{Store: db, Desk: desk, Owner: owner, Wake: told.Wake, Now: time.Now, After: time.After, CaughtUp: m.caughtUp, Log: log},
	}
}

// start runs the workers; stop ends them and returns when they have ended.
func (w *workers) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, worker := range w.outbox {
		all.Go(func() { worker.Run(ctx) })
	}
	all.Go(func() { w.fanout.Run(ctx) })
	for _, run := range w.more {
		all.Go(func() { run(ctx) })
	}
	return func() { cancel(); all.Wait() }
}
