// Package search turns search text into a Query (Parse) and a resource into
// index entries (Extract), from one table of R4 search parameters (ParamsOf),
// and holds an in-memory matcher (Match) that is the oracle in tests.
//
// Beside those it has what turns a Query into an answer without knowing the
// store: Resolve follows chains, Included finds what includes add to a page,
// Shape.Of cuts a resource down, InCompartment says what belongs to a patient.
// The first two read through the caller's Source.
//
// It stores nothing, answers no request and does not validate resources. The
// REST layer and the doors parse with it, the room extracts with it before
// each commit, and the engines of the store turn its Query into their own
// language.
//
// # Index entries
//
// Parameter names hold neither ":" nor "=" nor "~", so the forms can't be
// mistaken for one another.
//
//	entry                    of                                    serves
//	status:booked            token, any system                     status=booked
//	identifier=sys|code      token with system                     identifier=sys|code
//	identifier=sys|          token's system                        identifier=sys|
//	identifier=|code         token without a system                identifier=|code
//	code~wrist injury        token: the normalised text beside the  :text as a prefix
//	                         code (CodeableConcept.text, display,
//	                         Identifier.type.text), and its words
//	patient:Patient/p1       reference; the own base is stripped,  patient=p1, patient=Patient/p1,
//	                         any other absolute URL is kept        patient:Patient=p1
//	patient=sys|value        Reference.identifier, as a token;     patient:identifier=sys|value
//	                         also sys| and |value
//	patient~value            Reference.identifier, any system      patient:identifier=value
//	url:https://…            uri                                   exact; :below as a prefix
//	name:smith               string: the whole normalised value    prefix
//	                         and each word of it
//	name=|Smith              string as written                     :exact
//	name~ith                 string: normalised suffixes of three  :contains as a prefix
//	                         letters or more, the first 32
//	relationship::DocumentReference/d1$:replaces
//	                         composite: what the entries of its    relationship=d1$replaces
//	                         parts have behind their names
//	!status                  the element is there                  :missing
//
// An element of type code has its system in R4 and not in the JSON, so it has
// the any-system entry only and Parse compares the system asked for. Token
// values keep their case. The target of a version-specific reference is the
// record, whatever its version; a canonical URL is entered with and without its
// "|version". "|" inside a system becomes "%7C". Contained targets ("#id") have
// no entry but count as present.
//
// Normalised text is lower case, without accents, with runs of blanks as one.
// Postal codes are compared without blanks. A HumanName also gives its given
// and family names in one piece.
//
// A value of more than 512 bytes is cut to 480 bytes (at a whole character),
// "#" and 16 hexadecimal digits of its SHA-256. Searches by prefix look at the
// first 480 bytes only, so a suffix is simply that. The room adds entries of its own that begin with "@".
//
// A phonetic parameter has the Soundex code of each word; a search finds names
// that have all of the words asked for, in any order.
//
// # Quantities and composites
//
// A quantity is a Span of numbers, as integers that keep their order, under the
// parameter's name and again under "name$system|code", "name$|code" and
// "name$|unit": so value and unit are always those of one element. Units aren't
// converted. A comparator or a Range with one end leaves the other open. The
// same holds for a composite, each of whose pairs has its own entry or Span
// ("code-value-quantity$=system|code$|mg"), so nothing is checked again after
// the search. Engines must take a Param as it is; only its part before the "$"
// comes from the table, what is behind it comes from the records.
//
// # Dates
//
// Each date value is one Span, in milliseconds: finer fractions are cut. A
// Timing is one Span from its first to its last limit, as R4 demands. A date
// without time zone is a day of Options.Zone, UTC by default; so is a time of
// day without offset, which R4 allows in a search only.
package search
