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
	WebService bool   // may use the web service
	Role       string // its search role, which services are profiled for
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
		o.Users = []User{{Account: Account{"sandbox", "sandbox"}, WebService: true}, {Account: Account{"noperm", "sandbox"}}}
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

// directory is what an account's search role sees.
func (s *Sandbox) directory(ctx context.Context, role string) (*Directory, error) {
	services, err := local(ctx, s.o.Records, s.o.Root)
	if err != nil {
		return nil, err
	}
	return &Directory{Services: services, Places: places, Reaches: reaches, Minutes: minutes, Holiday: s.o.Holiday, Role: role}, nil
}

// Search answers a case without the web service, for the room of this program.
func (s *Sandbox) Search(ctx context.Context, c *Case) (*Answer, error) {
	d, err := s.directory(ctx, "")
	if err != nil {
		return nil, err
	}
	return s.search(d, c)
}

func (s *Sandbox) search(d *Directory, c *Case) (*Answer, error) {
	found, fault := d.Search(c, s.o.Now().In(nhs.London))
	if fault != nil {
		return nil, fault
	}
	found.Transaction = s.o.NewID()
	return found, nil
}

// Details finds services by DoS id or ODS code, likewise.
func (s *Sandbox) Details(ctx context.Context, id string) ([]Service, error) {
	d, err := s.directory(ctx, "")
	if err != nil {
		return nil, err
	}
	list := d.Details(id)
	if len(list) == 0 {
		return nil, faultNotFound
	}
	return list, nil
}

// soap answers in the SOAP version of the request; one whose version can't be
// told gets 1.2, the web service's own.
func (s *Sandbox) soap(w http.ResponseWriter, r *http.Request) {
	request, err := s.request(w, r)
	var answer []byte
	if err == nil {
		answer, err = s.answer(r.Context(), request)
	}
	status := http.StatusOK
	if err != nil {
		status = http.StatusInternalServerError
		fault := faultInternal
		if !errors.As(err, &fault) {
			s.o.Log.Error("sandbox directory", "error", fhir.AsOutcome(err).Kind)
		}
		answer = writeFault(fault, request.SOAP)
	}
	contentType := "application/soap+xml; charset=utf-8"
	if request.SOAP == nsSOAP11 {
		contentType = "text/xml; charset=utf-8"
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(inSOAP(request.SOAP, answer))
}

// request reads a SOAP message.
func (s *Sandbox) request(w http.ResponseWriter, r *http.Request) (envelopeRead, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return envelopeRead{}, faultMalformed
	}
	_, parameters, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	text8, err := xmltree.ToUTF8(raw, parameters["charset"])
	if err != nil {
		return envelopeRead{}, faultMalformed
	}
	e, err := readEnvelope(text8)
	if err != nil || e.Body.Space != nsDoS {
		return e, faultMalformed
	}
	return e, nil
}

// answer makes the directory's checks in its order: the account, then the
// version, then the case.
func (s *Sandbox) answer(ctx context.Context, e envelopeRead) ([]byte, error) {
	user, err := s.login(child(e.Body, "userInfo"))
	if err != nil {
		return nil, err
	}
	if e.Version != "" && e.Version != "1.5" {
		return nil, faultVersion // the stand-in speaks the current one only
	}
	d, err := s.directory(ctx, user.Role)
	if err != nil {
		return nil, err
	}
	switch e.Body.Local {
	case "CheckCapacitySummary":
		c, fault := readCase(child(e.Body, "c"))
		if fault != nil {
			return nil, fault
		}
		found, err := s.search(d, c)
		if err != nil {
			return nil, err
		}
		return writeAnswer(found), nil
	case "ServiceDetailsById":
		list := d.Details(text(e.Body, "serviceId"))
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

func (s *Sandbox) login(info *xmltree.Node) (*User, error) {
	a := Account{text(info, "username"), text(info, "password")}
	if a.Username == "" || a.Password == "" {
		return nil, faultNoUser
	}
	user := findUser(s.o.Users, a)
	switch {
	case user == nil:
		return nil, faultLogin
	case !user.WebService:
		return nil, faultPrivileges
	}
	return user, nil
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
		at, ok := parseTime(t)
		if !ok {
			return nil, faultDate
		}
		c.At = &at
	}
	return c, nil
}
