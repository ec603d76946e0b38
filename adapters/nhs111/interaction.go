package nhs111

import "strings"

// interactionKind is what an ITK interaction asks for.
type interactionKind uint8

const (
	unknownInteraction interactionKind = iota
	referral                           // act on it
	documentSet                        // act on the newest document of several
	forInformation                     // keep it; nobody is asked to act
	ambulance                          // act on it: an AmbulanceRequest, no document
	nullification                      // withdraw what an earlier document made
	query                              // ask for the reports of a repeat caller
	notOffered                         // known, and not offered by this door
)

// isGeneric says whether an action names ITK's generic service, which carries any
// DistributionEnvelope.
func isGeneric(action string) bool { return action == sendAction || action == sendReceiveAction }

const (
	sendAction        = servicePrefix + "sendDistEnvelope"     // one way
	sendReceiveAction = servicePrefix + "sendRecvDistEnvelope" // answered by a DistributionEnvelope
)

// kindOf classifies an interaction name of ITK 2.2 or of the Integrated Urgent
// Care specification 3.0. what names the operation where it isn't offered.
func kindOf(service, interaction string) (kind interactionKind, what string) {
	operation := strings.TrimPrefix(service, servicePrefix)
	lower := strings.ToLower(interaction)
	switch {
	case strings.Contains(lower, "response-v3"):
		return notOffered, "interactions that are answered with a FHIR bundle"
	case strings.HasPrefix(operation, "RequestAmbulanceDispatch"), strings.Contains(lower, "requestforambulance"):
		return ambulance, ""
	case strings.HasPrefix(operation, "NHS111RepeatCallerSyncQueryResp"), strings.Contains(lower, "repeatcallersyncquery"):
		return query, ""
	case strings.HasPrefix(lower, "nullify"):
		return nullification, ""
	case strings.Contains(lower, "acknowledgement"), strings.HasPrefix(operation, "SendInfrastructureAck"), strings.HasPrefix(operation, "SendBusinessAck"):
		return notOffered, "acknowledgement messages"
	case strings.HasPrefix(lower, "primary") && strings.Contains(lower, "repeatcallerdocumentset"):
		return documentSet, ""
	case strings.HasPrefix(lower, "primary") && strings.Contains(lower, "repeatcallerrepository"):
		return forInformation, ""
	case strings.HasPrefix(lower, "primary"):
		return referral, ""
	case strings.HasPrefix(lower, "copy"):
		return forInformation, ""
	}
	return unknownInteraction, ""
}

// kind is what the message asks for: a nullification says so by its interaction
// or by its profile.
func (e *envelope) kind() interactionKind {
	kind, _ := kindOf(e.Service, e.Interaction)
	for _, item := range e.Items {
		if item.ProfileID == profileNullification && kind != notOffered {
			return nullification
		}
	}
	return kind
}
