package testscript

import (
	"slices"

	"github.com/onward-health/onward/fhir"
)

// methods are the operations that are known, with their HTTP method; "" is
// that of operation.method, which must be there then.
var methods = map[string]string{
	"read": "GET", "vread": "GET", "search": "GET", "history": "GET", "capabilities": "GET",
	"create": "POST", "update": "PUT", "updateCreate": "PUT", "patch": "PATCH", "delete": "DELETE",
	"transaction": "POST", "batch": "POST", "": "",
}

// responseCodes are the words of assert.response (value set
// assert-response-code-types).
var responseCodes = map[string]string{
	"okay": "200", "created": "201", "noContent": "204", "notModified": "304", "bad": "400", "forbidden": "403",
	"notFound": "404", "methodNotAllowed": "405", "conflict": "409", "gone": "410", "preconditionFailed": "412",
	"unprocessable": "422",
}

var operators = []string{
	"", "equals", "notEquals", "in", "notIn", "greaterThan", "lessThan", "empty", "notEmpty", "contains", "notContains",
}

// mediaTypes are the short words that scripts use for the two formats.
var mediaTypes = map[string]string{"json": "application/fhir+json", "xml": "application/fhir+xml"}

func mediaType(word string) string {
	if long := mediaTypes[word]; long != "" {
		return long
	}
	return word
}

func (p *reader) actions(list fhir.Value, asserts bool) []action {
	var out []action
	for v := range list.Items() {
		p.only(v, "operation", "assert")
		a := action{path: v.Path()}
		switch o, t := v.Get("operation"), v.Get("assert"); {
		case o.Exists() && !t.Exists():
			a.operation = p.operation(o)
		case t.Exists() && !o.Exists() && asserts:
			a.assert = p.assertion(t)
		default:
			p.fail(v, "an action must be one operation or, outside teardown, one assert")
		}
		out = append(out, a)
	}
	return out
}

func (p *reader) operation(v fhir.Value) *operation {
	p.only(v, "type", "resource", "label", "description", "accept", "contentType", "encodeRequestUrl", "method", "params",
		"requestHeader", "responseId", "sourceId", "targetId", "url")
	o := &operation{
		code: v.Dig("type", "code").Text(), method: v.Get("method").Text(), resource: v.Get("resource").Text(),
		label: v.Get("label").Text(), url: v.Get("url").Text(), params: v.Get("params").Text(),
		accept: mediaType(v.Get("accept").Text()), contentType: mediaType(v.Get("contentType").Text()),
		sourceID: v.Get("sourceId").Text(), targetID: v.Get("targetId").Text(), responseID: v.Get("responseId").Text(),
		encode: !v.Get("encodeRequestUrl").Exists() || v.Get("encodeRequestUrl").Bool(),
	}
	method, known := methods[o.code]
	switch o.method {
	case "":
		o.method = method
	case "get", "post", "put", "delete", "patch", "options", "head":
		o.method = upper(o.method)
	default:
		p.fail(v, "the method is not known")
	}
	if !known || o.method == "" {
		p.fail(v, "the operation's type is not known to this runner")
	}
	if o.url == "" && o.resource == "" && o.targetID == "" && o.code != "capabilities" && o.code != "transaction" &&
		o.code != "batch" && o.sourceID == "" {
		p.fail(v, "an operation must have a url, a resource, a sourceId or a targetId")
	}
	for h := range v.Get("requestHeader").Items() {
		p.only(h, "field", "value")
		o.headers = append(o.headers, [2]string{h.Get("field").Text(), h.Get("value").Text()})
	}
	return o
}

func upper(method string) string {
	out := []byte(method)
	for i, c := range out {
		out[i] = c - 'a' + 'A'
	}
	return string(out)
}

func (p *reader) assertion(v fhir.Value) *assertion {
	p.only(v, "label", "description", "direction", "compareToSourceId", "compareToSourceExpression", "compareToSourcePath",
		"contentType", "expression", "headerField", "minimumId", "navigationLinks", "operator", "path", "resource", "response",
		"responseCode", "sourceId", "value", "warningOnly")
	either := func(a, b string) fhir.Value {
		if v.Get(a).Exists() {
			return v.Get(a)
		}
		return v.Get(b)
	}
	expression, compare := either("expression", "path"), either("compareToSourceExpression", "compareToSourcePath")
	t := &assertion{
		label: v.Get("label").Text(), description: v.Get("description").Text(),
		operator: v.Get("operator").Text(), value: v.Get("value").Text(),
		response: v.Get("response").Text(), responseCode: v.Get("responseCode").Text(),
		headerField: v.Get("headerField").Text(), contentType: mediaType(v.Get("contentType").Text()), resource: v.Get("resource").Text(),
		sourceID: v.Get("sourceId").Text(), compareID: v.Get("compareToSourceId").Text(), minimumID: v.Get("minimumId").Text(),
		expression: p.path(expression), hasExpression: expression.Exists(),
		compareExpression: p.path(compare), hasCompare: compare.Exists(),
		navigation: v.Get("navigationLinks").Bool(), warningOnly: v.Get("warningOnly").Bool(),
	}
	if d := v.Get("direction").Text(); d != "" && d != "response" {
		p.fail(v, "only answers are looked at, not requests")
	}
	if !slices.Contains(operators, t.operator) {
		p.fail(v, "the operator is not known to this runner")
	}
	if t.response != "" && responseCodes[t.response] == "" {
		p.fail(v, "the word in response is not one of R4's")
	}
	if kinds := t.kinds(); kinds != 1 {
		p.fail(v, "an assert must ask for exactly one thing")
	}
	if t.compareID != "" && !t.hasExpression {
		p.fail(v, "a comparison needs an expression")
	}
	return t
}

// kinds counts what the assert asks for.
func (t *assertion) kinds() int {
	count := 0
	for _, asked := range []bool{
		t.response != "", t.responseCode != "", t.headerField != "", t.contentType != "", t.resource != "",
		t.minimumID != "", t.hasExpression, t.navigation,
	} {
		if asked {
			count++
		}
	}
	return count
}
