package search

// People, organisations and services (R4 4.0.1, one line a parameter).
var (
	patient = append([]Param{
		boolean("active", "active"),
		date("birthdate", "birthDate"),
		date("death-date", "deceasedDateTime"),
		whether("deceased", "deceasedBoolean", "deceasedDateTime"),
		text("family", "name.family"),
		code("gender", "administrative-gender", "gender"),
		reference("general-practitioner", "Practitioner Organization PractitionerRole", "generalPractitioner"),
		text("given", "name.given"),
		token("identifier", "identifier"),
		token("language", "communication.language"),
		reference("link", "Patient RelatedPerson", "link.other"),
		text("name", "name"),
		phonetic("phonetic", "name"),
		reference("organization", "Organization", "managingOrganization"),
	}, addressAndTelecom...)

	practitioner = append([]Param{
		boolean("active", "active"),
		token("communication", "communication"),
		text("family", "name.family"),
		code("gender", "administrative-gender", "gender"),
		text("given", "name.given"),
		token("identifier", "identifier"),
		text("name", "name"),
		phonetic("phonetic", "name"),
	}, addressAndTelecom...)

	relatedPerson = append([]Param{
		boolean("active", "active"),
		date("birthdate", "birthDate"),
		code("gender", "administrative-gender", "gender"),
		token("identifier", "identifier"),
		text("name", "name"),
		phonetic("phonetic", "name"),
		reference("patient", "Patient", "patient"),
		token("relationship", "relationship"),
	}, addressAndTelecom...)

	practitionerRole = append([]Param{
		boolean("active", "active"),
		date("date", "period"),
		reference("endpoint", "Endpoint", "endpoint"),
		token("identifier", "identifier"),
		reference("location", "Location", "location"),
		reference("organization", "Organization", "organization"),
		reference("practitioner", "Practitioner", "practitioner"),
		token("role", "code"),
		reference("service", "HealthcareService", "healthcareService"),
		token("specialty", "specialty"),
	}, telecom...)

	organization = append([]Param{
		boolean("active", "active"),
		reference("endpoint", "Endpoint", "endpoint"),
		token("identifier", "identifier"),
		text("name", "name", "alias"),
		reference("partof", "Organization", "partOf"),
		phonetic("phonetic", "name"),
		token("type", "type"),
	}, address...)

	location = append([]Param{
		reference("endpoint", "Endpoint", "endpoint"),
		token("identifier", "identifier"),
		text("name", "name", "alias"),
		token("operational-status", "operationalStatus"),
		reference("organization", "Organization", "managingOrganization"),
		reference("partof", "Location", "partOf"),
		code("status", "location-status", "status"),
		token("type", "type"),
	}, address...)

	healthcareService = []Param{
		boolean("active", "active"),
		token("characteristic", "characteristic"),
		reference("coverage-area", "Location", "coverageArea"),
		reference("endpoint", "Endpoint", "endpoint"),
		token("identifier", "identifier"),
		reference("location", "Location", "location"),
		text("name", "name"),
		reference("organization", "Organization", "providedBy"),
		token("program", "program"),
		token("service-category", "category"),
		token("service-type", "type"),
		token("specialty", "specialty"),
	}
	endpoint = []Param{
		token("connection-type", "connectionType"),
		token("identifier", "identifier"),
		text("name", "name"),
		reference("organization", "Organization", "managingOrganization"),
		token("payload-type", "payloadType"),
		code("status", "endpoint-status", "status"),
	}
	device = []Param{
		text("device-name", "deviceName.name", "type.coding.display", "type.text"),
		token("identifier", "identifier"),
		reference("location", "Location", "location"),
		text("manufacturer", "manufacturer"),
		text("model", "modelNumber"),
		reference("organization", "Organization", "owner"),
		reference("patient", "Patient", "patient"),
		code("status", "device-status", "status"),
		token("type", "type"),
		text("udi-carrier", "udiCarrier.carrierHRF"),
		text("udi-di", "udiCarrier.deviceIdentifier"),
		uri("url", "url"),
	}

	subscription = []Param{
		contact("contact", "contact"),
		longText("criteria", "criteria"),
		code("payload", "urn:ietf:bcp:13", "channel.payload"),
		code("status", "subscription-status", "status"),
		code("type", "subscription-channel-type", "channel.type"),
		uri("url", "channel.endpoint"),
	}

	address = []Param{
		longText("address", "address"),
		text("address-city", "address.city"),
		text("address-country", "address.country"),
		postalCode("address-postalcode", "address.postalCode"),
		text("address-state", "address.state"),
		code("address-use", "address-use", "address.use"),
	}
	telecom = []Param{
		contact("email", "telecom[system=email]"),
		contact("phone", "telecom[system=phone]"),
		contact("telecom", "telecom"),
	}
	addressAndTelecom = append(append([]Param{}, address...), telecom...)
)

// postalCode is a string compared without blanks: people write "LS1 4AP" and
// "LS14AP" for the same place.
func postalCode(name, path string) Param {
	p := text(name, path)
	p.compact = true
	return p
}
