package nhs111

import (
	"strings"

	"github.com/onward-health/onward/internal/xmltree"
)

// distribution is a DistributionEnvelope 2.0 that we write: one payload, an
// answer or an acknowledgement.
type distribution struct {
	Service, TrackingID, Interaction, Profile string
	// Addresses are where it goes; From is who we are, as an address and, for the
	// audit, as an identity.
	To, From itkAddress
	Identity itkAddress
	// PayloadID is an upper-case UUID, Payload XML of our own making.
	PayloadID, Payload string
}

// itkAddress is the uri of an ITK address or identity, with its type where it isn't
// the default one.
type itkAddress struct{ URI, Type string }

func (a itkAddress) attributes() string {
	out := ""
	if a.Type != "" {
		out = ` type="` + xmltree.EscapeAttr(a.Type) + `"`
	}
	return out + ` uri="` + xmltree.EscapeAttr(a.URI) + `"`
}

func (d *distribution) xml() string {
	var b strings.Builder
	b.WriteString(`<itk:DistributionEnvelope xmlns:itk="` + nsITK + `"><itk:header service="` + xmltree.EscapeAttr(d.Service) +
		`" trackingid="` + d.TrackingID + `">`)
	if d.To.URI != "" {
		b.WriteString(`<itk:addresslist><itk:address` + d.To.attributes() + `/></itk:addresslist>`)
	}
	b.WriteString(`<itk:auditIdentity><itk:id` + d.Identity.attributes() + `/></itk:auditIdentity>`)
	b.WriteString(`<itk:manifest count="1"><itk:manifestitem id="uuid_` + d.PayloadID + `" mimetype="text/xml"`)
	if d.Profile != "" {
		b.WriteString(` profileid="` + d.Profile + `"`)
	}
	b.WriteString(`/></itk:manifest><itk:senderAddress` + d.From.attributes() + `/>`)
	b.WriteString(`<itk:handlingSpecification><itk:spec key="` + nsITK + `:interaction" value="` + interactionPrefix + d.Interaction + `"/></itk:handlingSpecification>`)
	b.WriteString(`</itk:header><itk:payloads count="1"><itk:payload id="uuid_` + d.PayloadID + `">` + d.Payload + `</itk:payload></itk:payloads></itk:DistributionEnvelope>`)
	return b.String()
}

// answering starts an envelope that goes back to whoever sent e.
func (d *door) answering(e *envelope, service, interaction string) *distribution {
	out := &distribution{Service: service, TrackingID: d.uuid(), Interaction: interaction, PayloadID: d.uuid(), To: itkAddress{URI: e.SenderURI}}
	switch {
	case len(e.ODS) > 0:
		out.From, out.Identity = itkAddress{URI: odsURI + e.ODS[0]}, itkAddress{URI: auditURI + e.ODS[0]}
	case d.Organisation != "":
		out.From, out.Identity = itkAddress{URI: odsURI + string(d.Organisation)}, itkAddress{URI: auditURI + string(d.Organisation)}
	case len(e.DoS) > 0:
		out.From = itkAddress{URI: e.DoS[0], Type: dosType}
		out.Identity = out.From
	}
	return out
}
