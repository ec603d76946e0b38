package tester

import "time"

// Verdict is what a case came to.
type Verdict string

// The verdicts.
const (
	Passed  Verdict = "pass"
	Failed  Verdict = "fail"
	Skipped Verdict = "skip"
)

// Report is what a run found.
type Report struct {
	Target   string    `json:"target"`
	Service  string    `json:"service,omitempty"`
	Software string    `json:"software,omitempty"`
	Started  time.Time `json:"started"`
	Passed   int       `json:"passed"`
	Failed   int       `json:"failed"`
	Skipped  int       `json:"skipped"`
	Results  []Result  `json:"results"`
	// Remains lists what the run made at the receiver and in which state it is
	// left there.
	Remains []Remainder `json:"remains"`
}

// Result is one case's. Why says what is wrong, or why the case was skipped.
type Result struct {
	ID          string        `json:"id"`
	Requirement string        `json:"requirement"`
	Verdict     Verdict       `json:"verdict"`
	Why         string        `json:"why,omitempty"`
	Took        time.Duration `json:"tookNanoseconds"`
	Exchanges   []Exchange    `json:"exchanges,omitempty"`
}

// Remainder is a record that the run made.
type Remainder struct {
	Record string `json:"record"`
	State  string `json:"state"`
}

// Exchange is a request with its answer, both cut at maxShown bytes. The
// authorisation is never kept.
type Exchange struct {
	Method  string `json:"method"`
	URL     string `json:"url"`
	Head    string `json:"requestHeaders"`
	Body    string `json:"requestBody,omitempty"`
	Status  int    `json:"status"`
	Answers string `json:"answerHeaders,omitempty"`
	Answer  string `json:"answerBody,omitempty"`
	Fault   string `json:"fault,omitempty"` // why there is no answer
}

func (r *Report) add(result Result) {
	switch result.Verdict {
	case Passed:
		r.Passed++
	case Failed:
		r.Failed++
	case Skipped:
		r.Skipped++
	}
	r.Results = append(r.Results, result)
}
