package bars

import (
	"context"
	"net/http"

	"github.com/onward-health/onward/fhir"
)

// content is the next version of the record, held to FHIR. A record of old may
// have faults, which a patch need not mend.
func (t *transaction) content(ctx context.Context, i int) (*fhir.Resource, error) {
	c, s := t.changes[i], t.steps[i]
	res, wrong := c.Resource, conform
	if c.Method == http.MethodPatch {
		current, err := fhir.Parse(fhir.Stamp(s.current.Body, s.current.Version, s.current.LastUpdated))
		if err != nil {
			return nil, err
		}
		if res, err = c.Patch(current); err != nil {
			return nil, err
		}
		if res.Type() != s.ref.Type || res.ID() != s.ref.ID {
			return nil, fhir.NewOutcome(fhir.KindProcessing, s.ref.Type, "a patch may not change resourceType or id")
		}
		wrong = func(next *fhir.Resource) *fhir.Outcome { return conformPatched(next, current) }
	}
	if !c.Resolve {
		return res, asError(wrong(res))
	}
	// References are judged by what they lead to, so they are resolved first.
	res, dangling, err := t.rewrite(ctx, i, res)
	if err != nil {
		return nil, err
	}
	o := wrong(res)
	if o == nil {
		o = dangling
	} else {
		o.Issues = append(o.Issues, dangling.Issues...)
	}
	return res, o.OrNil()
}
