package dos

import (
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

// User is an account of the stand-in.
type User struct {
	Account
	WebService bool // may use the web service
}

func (u User) is(a Account) bool {
	name := subtle.ConstantTimeCompare([]byte(u.Username), []byte(a.Username))
	password := subtle.ConstantTimeCompare([]byte(u.Password), []byte(a.Password))
	return name&password == 1
}

// SandboxOptions configure the stand-in.
type SandboxOptions struct {
	Records Reader // the services are those of the room
	Root    string // the program's own address, without path and closing slash
	Path    string // where the stand-in is mounted
	Users   []User // default: "sandbox"/"sandbox", and "noperm"/"sandbox" without permission
	Now     func() time.Time
	NewID   func() string
	Log     *slog.Logger
	Holiday func(time.Time) bool
}

// Sandbox is the stand-in of the directory.
type Sandbox struct{ o SandboxOptions }

// maxRequest bounds a request body in bytes.
const maxRequest = 64 << 10

// NewSandbox makes the stand-in; mount it at Path.
func NewSandbox(o SandboxOptions) *Sandbox {
	if o.Users == nil {
		o.Users = []User{{Account{"sandbox", "sandbox"}, true}, {Account{"noperm", "sandbox"}, false}}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Sandbox{o}
}

// Handler serves the stand-in's paths, relative to where it is mounted.
func (s *Sandbox) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+soapPath, s.soap)
	mux.HandleFunc("GET "+soapPath, s.wsdl)
	mux.HandleFunc("GET "+restPath+"/byServiceId/{id}", s.basic(s.byID))
	mux.HandleFunc("GET "+restPath+"/byOdsCode/{ods}", s.basic(s.byODS))
	mux.HandleFunc("GET "+restPath+"/byClinicalTerm/{case}/{postcode}/{distance}/{practice}/{age}/{gender}/{disposition}/{combination}/{number}", s.basic(s.byClinicalTerm))
	mux.HandleFunc("GET "+restPath+"/byServiceType/{case}/{postcode}/{distance}/{practice}/{age}/{gender}/{disposition}/{types}/{number}", s.basic(s.byServiceType))
	mux.HandleFunc("GET /FHIR/R4/Organization", s.organization)
	mux.HandleFunc("GET /FHIR/R4/HealthcareService", s.healthcareService)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "sandbox Directory of Services: invented data, not for real patients\n")
	})
	return mux
}

func (s *Sandbox) directory(ctx context.Context) (*Directory, error) {
	services, err := local(ctx, s.o.Records, s.o.Root)
	if err != nil {
		return nil, err
	}
	return &Directory{Services: services, Places: places, Minutes: minutes, Holiday: s.o.Holiday}, nil
}

func (s *Sandbox) soap(w http.ResponseWriter, r *http.Request) {
	answer, err := s.answer(w, r)
	status := http.StatusOK
	var fault *Fault
	if errors.As(err, &fault) {
		answer, status = writeFault(fault), http.StatusInternalServerError
	} else if err != nil {
		s.o.Log.Error("sandbox directory", "error", fhir.AsOutcome(err).Kind)
		answer, status = writeFault(faultInternal), http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/soap+xml; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

func (s *Sandbox) answer(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return nil, faultMalformed
	}
	_, parameters, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	text8, err := xmltree.ToUTF8(raw, parameters["charset"])
	if err != nil {
		return nil, faultMalformed
	}
	version, body, err := readBody(text8)
	if err != nil {
		return nil, faultMalformed
	}
	switch version {
	case "", "1.5":
	default:
		return nil, faultVersion // the stand-in speaks the current one only
	}
	if body.Space != nsDoS {
		return nil, faultMalformed
	}
	if err := s.login(body.Child("userInfo")); err != nil {
		return nil, err
	}
	d, err := s.directory(r.Context())
	if err != nil {
		return nil, err
	}
	switch body.Local {
	case "CheckCapacitySummary":
		c, fault := readCase(body.Child("c"))
		if fault != nil {
			return nil, fault
		}
		found, fault := d.Search(c, s.o.Now().In(nhs.London))
		if fault != nil {
			return nil, fault
		}
		found.Transaction = s.o.NewID()
		return writeAnswer(found), nil
	case "ServiceDetailsById":
		list := d.Details(text(body, "serviceId"))
		if len(list) == 0 {
			return nil, faultNotFound
		}
		return writeDetail(list), nil
	case "GetHospitalScores":
		return envelope("", func(w *writer) {
			w.in("GetHospitalScoresResponse", func() { w.in("GetHospitalScoresResult", func() {}) })
		}), nil
	}
	return nil, faultMalformed
}

func (s *Sandbox) login(info *xmltree.Node) error {
	a := Account{text(info, "username"), text(info, "password")}
	if a.Username == "" || a.Password == "" {
		return faultNoUser
	}
	user := findUser(s.o.Users, a)
	switch {
	case user == nil:
		return faultLogin
	case !user.WebService:
		return faultPrivileges
	}
	return nil
}

// readCase reads the case of a search. Elements that aren't known are passed
// over, as the directory does.
func readCase(n *xmltree.Node) (*Case, *Fault) {
	if n == nil {
		return nil, faultMalformed
	}
	c := &Case{
		Ref: text(n, "caseRef"), ID: text(n, "caseId"), Postcode: text(n, "postcode"), Surgery: text(n, "surgery"),
		AgeFormat: AgeFormat(text(n, "ageFormat")), Gender: or(text(n, "gender"), "I"), Force: yes(text(n, "forceSearchDistance")),
	}
	whole := func(missing int, fault *Fault, path string) (int, *Fault) {
		t := text(n, path)
		if t == "" {
			return missing, nil
		}
		v, err := strconv.Atoi(t)
		if err != nil {
			return 0, fault
		}
		return v, nil
	}
	var fault *Fault
	if c.Distance, fault = whole(0, faultDistance, "searchDistance"); fault != nil {
		return nil, fault
	}
	if child(n, "searchDistance").Content() == "0" {
		return nil, faultDistance
	}
	if text(n, "age") == "" {
		return nil, faultAge
	}
	if c.Age, fault = whole(0, faultAge, "age"); fault != nil {
		return nil, fault
	}
	if c.Disposition, fault = whole(0, faultDisposition, "disposition"); fault != nil {
		return nil, fault
	}
	if c.SymptomGroup, fault = whole(0, faultGroup, "symptomGroup"); fault != nil {
		return nil, fault
	}
	for _, item := range children(child(n, "symptomDiscriminatorList"), "int") {
		if v, err := strconv.Atoi(item.Content()); err == nil {
			c.Discriminators = append(c.Discriminators, v)
		}
	}
	if t := text(n, "searchDateTime"); t != "" {
		at, err := time.Parse(time.RFC3339, t)
		if err != nil {
			at, err = time.ParseInLocation(dosTime, t, nhs.London)
		}
		if err != nil {
			return nil, faultDate
		}
		c.At = &at
	}
	return c, nil
}
