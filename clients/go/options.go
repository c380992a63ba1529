package quickthorn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const messageLimit = 32 << 20

// The server retries, fails over and hedges; a second layer would multiply attempts and what they cost. So no retry
// policy, and none from DNS. What gRPC does by itself stays: it resends what no server has seen.
const noRetries = `{"methodConfig":[{"name":[{"service":"quickthorn.v1.Routing"}]}]}`

// Option is an argument of Dial.
type Option func(*settings)

type settings struct {
	apiKey  string
	keyed   bool
	tls     *TLS
	timeout time.Duration
	more    []grpc.DialOption
}

// TLS says how to speak TLS: paths of PEM files, and a name.
type TLS struct {
	CA         string // whom to trust; "" = the system's roots
	Cert, Key  string // who we are; both or neither
	ServerName string // the name to expect in the server's certificate; "" = the target's
}

// WithAPIKey sends key with every call, as `authorization: Bearer`. Without TLS it travels in clear text.
func WithAPIKey(key string) Option { return func(s *settings) { s.apiKey, s.keyed = key, true } }

// WithTLS speaks TLS as given, also where the target is a bare "host:port".
func WithTLS(given TLS) Option { return func(s *settings) { s.tls = &given } }

// WithTimeout is the deadline of calls whose context has none, instead of DefaultTimeout; 0 = none at all.
func WithTimeout(timeout time.Duration) Option { return func(s *settings) { s.timeout = timeout } }

// WithDialOptions adds gRPC's own options, such as interceptors; they win over this package's.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.more = append(s.more, options...) }
}

// dialing returns the address that target means and how to connect there.
func (s *settings) dialing(target string) (string, []grpc.DialOption, error) {
	if s.keyed && !travels(s.apiKey) { // the key itself stays out of the message
		return "", nil, errors.New("the API key is empty or holds a character that no header can carry, such as a space")
	}
	address, secure, err := addressed(target, s.tls != nil)
	if err != nil {
		return "", nil, err
	}
	security := insecure.NewCredentials()
	if secure {
		if security, err = s.credentials(); err != nil {
			return "", nil, err
		}
	}
	return address, append([]grpc.DialOption{
		grpc.WithTransportCredentials(security),
		grpc.WithUserAgent("quickthorn-go/" + Version),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageLimit), grpc.MaxCallSendMsgSize(messageLimit)),
		// A model may think for minutes: pings keep middleboxes from forgetting the connection and find a dead one.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 30 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true,
		}),
		grpc.WithDefaultServiceConfig(noRetries),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
	}, s.more...), nil
}

func (s *settings) credentials() (credentials.TransportCredentials, error) {
	given, config := TLS{}, &tls.Config{MinVersion: tls.VersionTLS12}
	if s.tls != nil {
		given = *s.tls
	}
	config.ServerName = given.ServerName
	if given.CA != "" {
		pem, err := os.ReadFile(given.CA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form", given.CA)
		}
	}
	if given.Cert != "" || given.Key != "" {
		ours, err := tls.LoadX509KeyPair(given.Cert, given.Key)
		if err != nil {
			return nil, fmt.Errorf("the client certificate needs both Cert and Key: %w", err)
		}
		config.Certificates = []tls.Certificate{ours}
	}
	return credentials.NewTLS(config), nil
}

// addressed returns the address that target means, and whether to speak TLS there.
func addressed(target string, secure bool) (string, bool, error) {
	for _, scheme := range []string{"dns:", "passthrough:", "unix:", "unix-abstract:", "xds:"} {
		if strings.HasPrefix(target, scheme) {
			return target, secure, nil
		}
	}
	scheme, bare, found := strings.Cut(target, "://")
	switch scheme = strings.ToLower(scheme); {
	case !found:
		bare = target
	case scheme == "https":
		secure = true
	case scheme != "http":
		return "", false, fmt.Errorf("target %q is neither http:// nor https://, but %s://; write %q", target, scheme, "host:port")
	case secure:
		return "", false, fmt.Errorf("target %q is clear text, and TLS is asked for; write %q", target, "https://"+bare)
	}
	bare = strings.TrimSuffix(bare, "/")
	_, port, err := net.SplitHostPort(bare)
	if number, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil || number == 0 {
		return "", false, fmt.Errorf("target %q has no port; write %q, %q or %q",
			target, "host:port", "http://host:port", "https://host:port (TLS)")
	}
	return bare, secure, nil
}

// travels says whether value can stand in a header.
func travels(value string) bool {
	unfit := func(char rune) bool { return char <= ' ' || char >= 0x7f }
	return value != "" && !strings.ContainsFunc(value, unfit)
}
