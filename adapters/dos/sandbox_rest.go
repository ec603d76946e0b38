package dos

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/nhs"
)

// maxMiles bounds the distance of the REST calls.
const maxMiles = 100

// basic asks for the account by HTTP Basic.
func (s *Sandbox) basic(next func(*http.Request, *Directory) (any, *restError)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		user := findUser(s.o.Users, Account{name, password})
		if user == nil || !user.WebService {
			w.Header().Set("WWW-Authenticate", `Basic realm="sandbox Directory of Services"`)
			writeREST(w, http.StatusUnauthorized, restAnswer{Error: &restError{401, "Unauthorized: You are not authorized to access this resource."}})
			return
		}
		d, err := s.directory(r.Context(), user.Role)
		if err != nil {
			s.o.Log.Error("sandbox directory: the services can't be read")
			writeREST(w, http.StatusInternalServerError, restAnswer{Error: &restError{500, "Internal error"}})
			return
		}
		answer, fault := next(r, d)
		if fault != nil {
			writeREST(w, int(fault.Code), restAnswer{Error: fault})
			return
		}
		writeREST(w, http.StatusOK, answer)
	}
}

func writeREST(w http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		status, raw = http.StatusInternalServerError, []byte(`{"error":{"code":500,"message":"Internal error"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

func badRequest(text string) *restError { return &restError{400, "Bad Request: " + text} }

func (s *Sandbox) byID(r *http.Request, d *Directory) (any, *restError) {
	return s.details(d, func(x *Profiled) bool { return x.ID == r.PathValue("id") })
}

func (s *Sandbox) byODS(r *http.Request, d *Directory) (any, *restError) {
	return s.details(d, func(x *Profiled) bool { return strings.EqualFold(x.ODS, r.PathValue("ods")) })
}

// details answers with services as they are profiled, numbers as numbers.
func (s *Sandbox) details(d *Directory, wanted func(*Profiled) bool) (any, *restError) {
	list := []json.RawMessage{}
	for i := range d.Services {
		if !wanted(&d.Services[i]) {
			continue
		}
		raw, err := json.Marshal(restServiceOf(&d.Services[i].Service))
		if err == nil {
			raw, err = bare(raw)
		}
		if err != nil {
			return nil, &restError{500, "Internal error"}
		}
		list = append(list, raw)
	}
	return map[string]any{"success": map[string]any{"code": 200, "transactionId": s.o.NewID(),
		"servicesReturnedAreCatchAll": "FALSE", "serviceCount": len(list), "services": list}}, nil
}

// nearest checks what both searches share and returns the services within
// reach, those of the patient's practice first, then the nearest.
func (s *Sandbox) nearest(r *http.Request, d *Directory, wanted func(*Profiled) bool) (any, *restError) {
	miles, err := strconv.ParseFloat(r.PathValue("distance"), 64)
	switch {
	case err != nil || miles < 0:
		return nil, badRequest("Search distance must be numeric")
	case miles > maxMiles:
		return nil, badRequest("Search distance must be no more than 100")
	case miles == 0:
		miles = 37.5
	}
	postcode := r.PathValue("postcode")
	if postcode == "0" {
		return nil, badRequest("Postcode must be provided")
	}
	place := d.place(postcode)
	if place == nil {
		return nil, badRequest("Invalid post code")
	}
	ages, known := restAges[r.PathValue("age")]
	if !known {
		return nil, badRequest("The age group ID must be one of the following: 1, 2, 3, 4, 8")
	}
	if practice := r.PathValue("practice"); practice != "0" && !slices.ContainsFunc(d.Services, func(x Profiled) bool { return x.ID == practice }) {
		return nil, badRequest("The supplied service ID of the patient's practice does not exist in the system")
	}
	if !slices.Contains([]string{"0", "M", "F", "I"}, r.PathValue("gender")) {
		return nil, badRequest("The gender must be one of the following: M, F, I (case sensitive)")
	}
	number, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || number < 0 {
		return nil, badRequest("The number of services must be numeric")
	}
	if number == 0 {
		number = 5
	}
	var found []*Profiled
	for i := range d.Services {
		x := &d.Services[i]
		if wanted(x) && x.takes(r.PathValue("gender"), ages) && (len(x.Roles) == 0 || slices.Contains(x.Roles, d.Role)) && kilometresToMiles(metres(&x.Service, place)/1000) <= miles {
			found = append(found, x)
		}
	}
	slices.SortStableFunc(found, func(a, b *Profiled) int { return int(metres(&a.Service, place) - metres(&b.Service, place)) })
	answer := restSuccess{Code: 200, TransactionID: loose(s.o.NewID()), CatchAll: "FALSE", Services: some([]restService{})}
	kept := map[int]int{}
	for _, x := range found {
		if kept[x.Type.ID]++; kept[x.Type.ID] > number {
			continue
		}
		shown := x.Service
		shown.Miles = strconv.FormatFloat(kilometresToMiles(metres(&shown, place)/1000), 'f', 1, 64)
		answer.Services.V = append(answer.Services.V, restServiceOf(&shown))
	}
	if answer.Count = len(answer.Services.V); answer.Count == 0 {
		answer.CatchAll = "TRUE"
	}
	return restAnswer{Success: &answer}, nil
}

// restAges are the age groups of the REST calls in days: 0 is any, 8 is 65 and
// over, which the web service doesn't have.
var restAges = map[string]AgeRange{"0": {0, maxAge}, "1": {ageOf(16), maxAge}, "2": {ageOf(5), ageOf(16) - 1},
	"3": {ageOf(1), ageOf(5) - 1}, "4": {0, ageOf(1) - 1}, "8": {ageOf(65), maxAge}}

const maxAge = 47117 // 129 years in days

func ageOf(years int) float64 { return ageInDays(&Case{AgeFormat: Years, Age: years}) }

// takes says whether a service is for a gender ("0": any) and for somebody of an
// age group.
func (s *Profiled) takes(gender string, ages AgeRange) bool {
	return (gender == "0" || slices.Contains(s.Genders, gender)) &&
		slices.ContainsFunc(s.Ages, func(r AgeRange) bool { return r.From <= ages.To && ages.From <= r.To })
}

func (s *Sandbox) byServiceType(r *http.Request, d *Directory) (any, *restError) {
	var types []int
	for id := range strings.SplitSeq(r.PathValue("types"), ",") {
		if n, err := strconv.Atoi(strings.TrimSpace(id)); err == nil {
			types = append(types, n)
		}
	}
	return s.nearest(r, d, func(x *Profiled) bool { return slices.Contains(types, x.Type.ID) })
}

func (s *Sandbox) byClinicalTerm(r *http.Request, d *Directory) (any, *restError) {
	group, discriminator, found := strings.Cut(r.PathValue("combination"), "=")
	sg, err1 := strconv.Atoi(group)
	sd, err2 := strconv.Atoi(discriminator)
	known := slices.ContainsFunc(d.Services, func(x Profiled) bool { return slices.Contains(x.Discriminators[sg], sd) })
	if !found || err1 != nil || err2 != nil || !known {
		return nil, badRequest(`Invalid "SymptomGroupId=SymptomDiscriminatorId" combination supplied`)
	}
	now := s.o.Now().In(nhs.London)
	return s.nearest(r, d, func(x *Profiled) bool {
		return slices.Contains(x.Discriminators[sg], sd) && (!x.OnlyIfOpen || x.open(now, 0, d.Holiday))
	})
}
