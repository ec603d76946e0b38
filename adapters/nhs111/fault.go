package nhs111

import "fmt"

// The fault codes of SOAP 1.1, section 4.4.1; soapVersion names those of SOAP 1.2.
const (
	faultClient          = "Client"
	faultServer          = "Server"
	faultMustUnderstand  = "MustUnderstand"
	faultVersionMismatch = "VersionMismatch"
)

// The ITK error codes (2.16.840.1.113883.2.1.3.2.4.17.268).
const (
	codeInvalid   = 1000 // wrong in structure or content: don't send it again unchanged
	codeTemporary = 2100 // try again later
	codeInternal  = 2200 // processing failed
	codeAccess    = 3000 // not allowed
)

// The diagnostic texts and the internal error of the reference adaptor.
const (
	diagSOAP          = "Soap validation failed"
	textNotXML        = "This is not a valid XML message"
	textSchema        = "schema validation failed"
	textInvalidID     = "Invalid MessageId"
	textInternal      = "Internal Error. Please contact your system Administrator"
	diagInternal      = "Internal Error"
	textNotOffered    = "Operation not offered"
	textNotSupported  = "Message not supported"
	textTooLarge      = "Message too large"
	textMediaType     = "Media type not supported"
	textNotAuthorised = "Not authorised"
	textVersion       = "SOAP version not supported"
	textMethod        = "Method not allowed"
	textSignature     = "The signature or its certificate isn't valid"
)

// fault is a refusal as ITK 2.2 words it: a SOAP fault with ToolkitErrorInfo.
type fault struct {
	Code   string // the SOAP fault code's local part
	Number int    // the ITK error code
	Text   string // ErrorText
	Diag   string // ErrorDiagnosticText

	status     int // HTTP status; 0 is the SOAP version's
	retryAfter int // seconds
}

func (f *fault) Error() string {
	return fmt.Sprintf("%s %d: %s: %s", f.Code, f.Number, f.Text, f.Diag)
}

// refuse is a Client fault with code 1000, the usual one.
func refuse(text, diag string) *fault {
	return &fault{Code: faultClient, Number: codeInvalid, Text: text, Diag: diag}
}

const (
	faultAction          = "http://www.w3.org/2005/08/addressing/soap/fault"
	faultActionHeader    = "http://www.w3.org/2005/08/addressing/fault" // for MustUnderstand
	anonymous            = "http://www.w3.org/2005/08/addressing/anonymous"
	clientFaultString    = "A client related error has occurred, see detail element for further information"
	serverFaultString    = "A Server related error has occurred, see detail element for further information"
	successActionSuffix  = "Response"
	reportSuccessAction  = servicePrefix + "SendNHS111Report-v2-0" + successActionSuffix
	servicePrefix        = "urn:nhs-itk:services:201005:"
	interactionPrefix    = "urn:nhs-itk:interaction:"
	reportOperation      = "SendNHS111Report"
	faultActorUnspecific = "http://source.of.fault.example.com" // the reference's; TKW wants an http address
)
