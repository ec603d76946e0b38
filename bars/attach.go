package bars

import (
	"context"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// Attach stores documents and what belongs to them. Nobody is asked to act, so
// the target service need not be one that takes messages; it must be ours.
func (d *Desk) Attach(ctx context.Context, req AttachRequest) (*MessageResult, error) {
	return d.once(ctx, req.Key, req.Body, func(ctx context.Context, idem *store.Idem) (*MessageResult, error) {
		s, err := d.service(ctx, req.Target)
		if err != nil {
			return nil, err
		}
		return again(func() (*MessageResult, error) { return d.attach(ctx, &req, s, idem) })
	})
}

func (d *Desk) attach(ctx context.Context, req *AttachRequest, s *service, idem *store.Idem) (*MessageResult, error) {
	w := d.newWork(req.Caller, s)
	earlier, known, err := w.documentBefore(ctx, forInformation, req.Document)
	if err != nil {
		return nil, err
	}
	if known {
		return d.known(ctx, w, req.Also, idem)
	}
	entries := make([]*entry, len(req.Entries))
	var warnings []fhir.Issue
	for i, e := range req.Entries {
		if o := d.conformAttached(e.Resource); o != nil && !req.Translated {
			return nil, o
		} else if o != nil {
			warnings = append(warnings, o.Issues...)
		}
		entries[i] = attachedEntry(e)
	}
	if err := w.place(ctx, entries); err != nil {
		return nil, err
	}
	if earlier != nil {
		if err := w.replaceCopy(ctx, req.Document, entries, earlier); err != nil {
			return nil, err
		}
	}
	if err := w.writeAll(entries); err != nil {
		return nil, err
	}
	if req.Document != nil {
		if err := w.noteDocument(forInformation, req.Document, earlier); err != nil {
			return nil, err
		}
	}
	if err := w.add(req.Key, req.Also, req.Recall); err != nil {
		return nil, err
	}
	return d.finish(ctx, w, idem, &MessageResult{Warnings: warnings})
}

// known is the result of a request whose document was taken before under another
// key: nothing but what the door added to it, such as an acknowledgement that the
// sender waits for.
func (d *Desk) known(ctx context.Context, w *work, also []store.Op, idem *store.Idem) (*MessageResult, error) {
	if len(also) == 0 {
		return &MessageResult{Known: true}, nil
	}
	w.batch.Ops = append(w.batch.Ops, also...)
	result, err := d.commit(ctx, w, idem)
	if err != nil {
		return nil, err
	}
	if result.Replay != nil {
		return replayed(result.Replay), nil
	}
	return &MessageResult{Known: true}, nil
}

func attachedEntry(e Entry) *entry {
	return &entry{index: -1, fullURL: localName(e.FullURL), res: e.Resource.Root(), typ: e.Resource.Type()}
}
