package mongo

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readconcern"
	"go.mongodb.org/mongo-driver/mongo/readpref"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/x/mongo/driver/connstring"
)

// AddressError says what is wrong with an address, before any server is asked. It
// quotes nothing of it: what can't be read may be a part of a password.
type AddressError string

func (e AddressError) Error() string { return "store: the MongoDB address " + string(e) }

const (
	errUnreadable = AddressError("can't be read: it is mongodb://user:password@host:port/database?option=value, with signs such as @ / : ? % in user and password percent-encoded")
	errLowered    = AddressError("lowers the write concern; leave w, journal and retryWrites out of it")
	errTimeout    = AddressError("sets timeoutMS; leave it out, every call has its own bound")
	errBalanced   = AddressError("sets loadBalanced, in which mode this engine hasn't been tried; leave it out")
	errUnusable   = AddressError("names a file that can't be read or isn't what it should be (tlsCAFile, tlsCertificateKeyFile), or options that don't go together")
	errNotAName   = AddressError("names a database as MongoDB doesn't: at most 63 bytes, without space, dot, dollar, quote and slashes")
	errServersOwn = AddressError("names one of the server's own databases (admin, config, local); name another, and with authSource the one that knows the user")
)

const errNoRecords = ownError("the MongoDB address can't be read, or the records that it names aren't in the DNS")

// defaultDatabase is used where the address names none.
const defaultDatabase = "onward"

// CheckAddress says what is wrong with an address, files that it names included, as
// far as that can be told without a server and the DNS.
func CheckAddress(uri string) error {
	if strings.HasPrefix(uri, connstring.SchemeMongoDBSRV+"://") {
		return nil
	}
	_, _, err := parse(uri)
	return err
}

func parse(uri string) (*connstring.ConnString, *options.ClientOptions, error) {
	address, err := connstring.ParseAndValidate(uri)
	switch {
	case err != nil && strings.HasPrefix(uri, connstring.SchemeMongoDBSRV+"://"):
		return nil, nil, errNoRecords
	case err != nil: // whose text could quote it
		return nil, nil, errUnreadable
	case len(address.UnknownOptions) > 0:
		return nil, nil, AddressError("has an option that the MongoDB driver for Go doesn't know, " + ordinal(unknown(uri, address)) + "; correct its spelling or leave it out")
	case lowered(address):
		return nil, nil, errLowered
	case address.TimeoutSet: // the driver then repeats writes in a way that we don't reckon with
		return nil, nil, errTimeout
	case address.LoadBalanced:
		return nil, nil, errBalanced
	}
	if address.Database == "" {
		address.Database = defaultDatabase
	}
	if err := checkDatabase(address.Database); err != nil {
		return nil, nil, err
	}
	asked := settings(uri)
	if asked.Validate() != nil {
		return nil, nil, errUnusable
	}
	return address, asked, nil
}

// unknown is the place of the first option that the driver would pass over: a
// mistyped tls would send patient data in the clear.
func unknown(uri string, address *connstring.ConnString) int {
	if _, rest, is := strings.Cut(uri, "@"); is {
		uri = rest // a password may hold a question mark
	}
	_, query, _ := strings.Cut(uri, "?")
	given := strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' })
	return 1 + slices.IndexFunc(given, func(option string) bool {
		name, _, _ := strings.Cut(option, "=")
		_, is := address.UnknownOptions[strings.ToLower(name)]
		return is
	})
}

func ordinal(n int) string {
	if n == 0 {
		return "from the DNS"
	}
	return "number " + strconv.Itoa(n)
}

// checkDatabase holds a name to the manual's "Naming Restrictions". On the server's
// own databases there are no transactions.
func checkDatabase(name string) error {
	switch {
	case name == "admin", name == "config", name == "local":
		return errServersOwn
	case len(name) > 63, strings.ContainsAny(name, "/\\. \"$\x00"):
		return errNotAName
	}
	return nil
}

// lowered says that the address asks for less than we promise.
func lowered(c *connstring.ConnString) bool {
	return c.WNumberSet || (c.WString != "" && c.WString != "majority") || (c.JSet && !c.J) || (c.RetryWritesSet && !c.RetryWrites)
}

const (
	selectionTime = 5 * time.Second // for which a primary is waited for
	// connectTime is how long a member that vanished without a word is waited for;
	// the driver's own half minute is longer than the election of another takes.
	connectTime = 10 * time.Second
)

func settings(uri string) *options.ClientOptions {
	journal := true
	o := options.Client().ApplyURI(uri)
	if o.ConnectTimeout == nil {
		o.SetConnectTimeout(connectTime)
	}
	return o.
		SetAppName("onward").
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journal}).
		SetReadConcern(readconcern.Majority()).
		SetReadPreference(readpref.Primary()).
		SetRetryWrites(true).SetRetryReads(true).
		SetServerSelectionTimeout(selectionTime).
		SetMaxPoolSize(100)
}
