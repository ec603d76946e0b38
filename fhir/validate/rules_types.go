package validate

import "github.com/onward-health/onward/fhir"

const ucum = "http://unitsofmeasure.org"

func codeNeedsSystem(v fhir.Value) bool { return !has(v, "code") || has(v, "system") }

func ucumOrNone(v fhir.Value) bool {
	return !has(v, "system") || is(v.Get("system"), ucum)
}

func codeWithValue(v fhir.Value) bool { return has(v, "code") || !has(v, "value") }

const codeText = "a coded unit needs its system"

// both says whether two elements exist or neither does.
func both(v fhir.Value, a, b string) bool { return has(v, a) == has(v, b) }

// needs says whether b exists if a does.
func needs(v fhir.Value, a, b string) bool { return !has(v, a) || has(v, b) }

// notBoth says whether at most one of two elements exists.
func notBoth(v fhir.Value, a, b string) bool { return !has(v, a) || !has(v, b) }

// typeRules are the invariants of the data types (R4 datatypes.html,
// metadatatypes.html).
var typeRules = []rule{
	{path: "Quantity", key: "qty-3", text: codeText, holds: codeNeedsSystem},
	{path: "Age", key: "qty-3", text: codeText, holds: codeNeedsSystem},
	{path: "Count", key: "qty-3", text: codeText, holds: codeNeedsSystem},
	{path: "Distance", key: "qty-3", text: codeText, holds: codeNeedsSystem},
	{path: "Duration", key: "qty-3", text: codeText, holds: codeNeedsSystem},
	{path: "Age", key: "age-1", text: "an age is above zero and has a UCUM code for its unit",
		holds: func(v fhir.Value) bool {
			return codeWithValue(v) && ucumOrNone(v) && (v.Get("value").Kind() != fhir.NumberKind || sign(v.Get("value").Raw()) > 0)
		}},
	{path: "Count", key: "cnt-3", text: "a count is a whole number with the UCUM code 1",
		holds: func(v fhir.Value) bool {
			return codeWithValue(v) && ucumOrNone(v) && (!has(v, "code") || is(v.Get("code"), "1")) && !hasPoint(v.Get("value").Raw())
		}},
	{path: "Distance", key: "dis-1", text: "a distance has a UCUM code for its unit",
		holds: func(v fhir.Value) bool { return codeWithValue(v) && ucumOrNone(v) }},
	{path: "Duration", key: "drt-1", text: "a duration's code is of UCUM and goes with a value",
		holds: func(v fhir.Value) bool {
			return !has(v, "code") || is(v.Get("system"), ucum) && has(v, "value")
		}},
	{path: "Period", key: "per-1", text: "the start of a period can't be after its end",
		holds: func(v fhir.Value) bool { return inOrder(v.Get("start"), v.Get("end")) }},
	{path: "Range", key: "rng-2", text: "the low end of a range can't be above its high end", holds: rangeInOrder},
	{path: "Ratio", key: "rat-1", text: "a ratio has both numerator and denominator, or neither and an extension",
		holds: func(v fhir.Value) bool {
			return both(v, "numerator", "denominator") && (has(v, "numerator") || has(v, "extension"))
		}},
	{path: "ContactPoint", key: "cpt-2", text: "a contact point with a value needs its system",
		holds: func(v fhir.Value) bool { return needs(v, "value", "system") }},
	{path: "Attachment", key: "att-1", text: "an attachment with data needs its contentType",
		holds: func(v fhir.Value) bool { return needs(v, "data", "contentType") }},
	{path: "Expression", key: "exp-1", text: "an expression needs its text or a reference to it",
		holds: func(v fhir.Value) bool { return has(v, "expression") || has(v, "reference") }},
	{path: "DataRequirement.codeFilter", key: "drq-1", text: "a filter has either a path or a searchParam",
		holds: func(v fhir.Value) bool { return !both(v, "path", "searchParam") }},
	{path: "DataRequirement.dateFilter", key: "drq-2", text: "a filter has either a path or a searchParam",
		holds: func(v fhir.Value) bool { return !both(v, "path", "searchParam") }},
	{path: "TriggerDefinition", key: "trd-1", text: "a trigger has data or timing, not both",
		holds: func(v fhir.Value) bool { return !has(v, "data") || !hasChoice(v, "timing") }},
	{path: "TriggerDefinition", key: "trd-2", text: "a trigger with a condition needs data",
		holds: func(v fhir.Value) bool { return needs(v, "condition", "data") }},
	{path: "TriggerDefinition", key: "trd-3", text: "a named event needs a name, a periodic one timing, a data event data", holds: triggerFits},
	{path: "Timing.repeat", key: "tim-1", text: "a duration needs its unit",
		holds: func(v fhir.Value) bool { return needs(v, "duration", "durationUnit") }},
	{path: "Timing.repeat", key: "tim-2", text: "a period needs its unit",
		holds: func(v fhir.Value) bool { return needs(v, "period", "periodUnit") }},
	{path: "Timing.repeat", key: "tim-4", text: "a duration can't be negative",
		holds: func(v fhir.Value) bool { return notNegative(v.Get("duration")) }},
	{path: "Timing.repeat", key: "tim-5", text: "a period can't be negative",
		holds: func(v fhir.Value) bool { return notNegative(v.Get("period")) }},
	{path: "Timing.repeat", key: "tim-6", text: "periodMax needs a period",
		holds: func(v fhir.Value) bool { return needs(v, "periodMax", "period") }},
	{path: "Timing.repeat", key: "tim-7", text: "durationMax needs a duration",
		holds: func(v fhir.Value) bool { return needs(v, "durationMax", "duration") }},
	{path: "Timing.repeat", key: "tim-8", text: "countMax needs a count",
		holds: func(v fhir.Value) bool { return needs(v, "countMax", "count") }},
	{path: "Timing.repeat", key: "tim-9", text: "an offset needs an event to count from, and a meal (C, CM, CD, CV) is none",
		holds: func(v fhir.Value) bool {
			if !has(v, "offset") {
				return true
			}
			for event := range v.Get("when").Items() {
				if is(event, "C", "CM", "CD", "CV") {
					return false
				}
			}
			return has(v, "when")
		}},
	{path: "Timing.repeat", key: "tim-10", text: "a schedule has times of day or events, not both",
		holds: func(v fhir.Value) bool { return notBoth(v, "timeOfDay", "when") }},
}

// rangeInOrder compares only quantities of the same unit.
func rangeInOrder(v fhir.Value) bool {
	low, high := v.Get("low"), v.Get("high")
	for _, name := range [...]string{"unit", "system", "code"} {
		if string(low.Get(name).TextBytes()) != string(high.Get(name).TextBytes()) {
			return true
		}
	}
	a, b := low.Get("value"), high.Get("value")
	if a.Kind() != fhir.NumberKind || b.Kind() != fhir.NumberKind {
		return true
	}
	return compareDecimals(a.Raw(), b.Raw()) <= 0
}

func triggerFits(v fhir.Value) bool {
	typ := v.Get("type")
	switch {
	case is(typ, "named-event"):
		return has(v, "name")
	case is(typ, "periodic"):
		return hasChoice(v, "timing")
	case is(typ, "data-changed", "data-added", "data-modified", "data-removed", "data-accessed", "data-access-ended"):
		return has(v, "data")
	}
	return true
}

func notNegative(v fhir.Value) bool {
	return v.Kind() != fhir.NumberKind || sign(v.Raw()) >= 0
}
