package egress

import (
	"net/http"
	"testing"
)

// What passes Check is a URL that a request can be made of, and over http only
// where the operator said so.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"https://receiver.example/hook", "http://127.0.0.1:9000/", "https://[::1]/", "https://a@b/", "https://%zz", "//x", ""} {
		f.Add(seed)
	}
	p := &Policy{}
	f.Fuzz(func(t *testing.T, text string) {
		if p.Check(text) != nil {
			return
		}
		req, err := http.NewRequest(http.MethodPost, text, nil)
		if err != nil {
			t.Fatal("a URL that can't be called passed")
		}
		if req.URL.Scheme != "https" || req.URL.User != nil {
			t.Fatal("only https without a user name may pass")
		}
	})
}
