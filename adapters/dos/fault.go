package dos

import "strconv"

// Fault is what the directory answers instead of services: a number of its own
// list and a sentence. The sentence holds no patient data, but it may repeat
// what was asked, so it goes to the person who asked and not to a log.
type Fault struct {
	Code int
	Text string
}

func (f *Fault) Error() string { return "dos: the directory answers fault " + strconv.Itoa(f.Code) }

// Temporary says that the same request may succeed later. All other faults are
// about the request.
func (f *Fault) Temporary() bool { return f.Code == 100 || f.Code == 500 || f.Code == 504 }

// The faults that the stand-in gives, with the directory's own texts or, where
// those aren't published, texts in their form.
var (
	faultPostcode     = &Fault{101, "Postcode Validation: Postcode not found"}
	faultNoServices   = &Fault{102, "Service Search: No services found"}
	faultNotFound     = &Fault{103, "Request Response: Service not found"}
	faultDiscriminate = &Fault{104, "Parameter Validation: No valid symptom discriminators for the symptom group"}
	faultDistance     = &Fault{105, "Parameter Validation: Search distance out of range"}
	faultGender       = &Fault{106, "Parameter Validation: Invalid gender"}
	faultVersion      = &Fault{107, "WSDL Validation: Unsupported Webservice version"}
	faultMalformed    = &Fault{108, "Malformed XML: The request could not be read"}
	faultDate         = &Fault{108, "Parameter Validation: Invalid search date"}
	faultFuture       = &Fault{109, "Parameter Validation: Search date is more than 12 months ahead"}
	faultPast         = &Fault{110, "Parameter Validation: Search date is in the past"}
	faultForced       = &Fault{113, "Parameter Validation: Search distance must be given when it is forced"}
	faultAge          = &Fault{114, "Parameter Validation: Age is missing or not a whole number"}
	faultDays         = &Fault{115, "Parameter Validation: Age in days must be 0 to 31"}
	faultMonths       = &Fault{116, "Parameter Validation: Age in months must be 1 to 23"}
	faultYears        = &Fault{117, "Parameter Validation: Age in years must be 2 to 129"}
	faultAgeGroup     = &Fault{118, "Parameter Validation: Age group must be 1 to 4"}
	faultAgeFormat    = &Fault{119, "Parameter Validation: Invalid age format"}
	faultGroup        = &Fault{120, "Parameter Validation: Symptom group not found"}
	faultDisposition  = &Fault{121, "Parameter Validation: Disposition not found"}
	faultLogin        = &Fault{302, "Authentication Failed: Please check user credentials (username/password) or check whether the user account is locked (use password reset to unlock)"}
	faultPrivileges   = &Fault{303, "Incorrect Privileges: Please check that the user has the correct privileges to run this service"}
	faultNoUser       = &Fault{1001, "Request Validation: username/password not in request"}
	faultInternal     = &Fault{500, "Internal error"}
)
