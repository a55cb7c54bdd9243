package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// group is one generated file.
type group struct {
	name  string
	paths []string
}

// standard lists the packages of the standard library that cells have. Left out are those that only make sense at link time
// (plugin, unsafe's own kind, time/tzdata), that differ between systems (syscall), that act when imported (expvar,
// net/http/pprof) and that need the compiler (embed is kept for its FS type).
//
// Of packages of one name the first is the automatic import: math/rand stands before crypto/rand.
const standard = `math/rand text/template text/scanner archive/tar archive/zip bufio bytes cmp compress/bzip2 compress/flate compress/gzip compress/lzw compress/zlib
container/heap container/list container/ring context crypto crypto/aes crypto/cipher crypto/ecdh crypto/ecdsa crypto/ed25519
crypto/elliptic crypto/hkdf crypto/hmac crypto/md5 crypto/pbkdf2 crypto/rand crypto/rsa crypto/sha1 crypto/sha256 crypto/sha3
crypto/sha512 crypto/subtle crypto/tls crypto/x509 crypto/x509/pkix database/sql database/sql/driver debug/buildinfo embed
encoding encoding/ascii85 encoding/asn1 encoding/base32 encoding/base64 encoding/binary encoding/csv encoding/gob encoding/hex
encoding/json encoding/pem encoding/xml errors flag fmt go/ast go/build go/constant go/doc go/format go/importer go/parser
go/printer go/scanner go/token go/types hash hash/adler32 hash/crc32 hash/crc64 hash/fnv hash/maphash html html/template image
image/color image/color/palette image/draw image/gif image/jpeg image/png index/suffixarray io io/fs iter log log/slog maps math
math/big math/bits math/cmplx math/rand/v2 mime mime/multipart mime/quotedprintable net net/http net/http/cookiejar
net/http/httptest net/http/httptrace net/http/httputil net/mail net/netip net/rpc net/smtp net/textproto net/url os os/exec
os/signal os/user path path/filepath reflect regexp regexp/syntax runtime runtime/debug runtime/metrics runtime/pprof
runtime/trace slices sort strconv strings sync sync/atomic testing testing/fstest testing/iotest testing/quick text/tabwriter
text/template/parse time unicode unicode/utf16 unicode/utf8`

const arrowPath = "github.com/apache/arrow/go/v17/arrow"

const arrow = `. array arrio bitutil csv decimal128 decimal256 endian float16 ipc math memory scalar tensor`

const echartsPath = "github.com/go-echarts/go-echarts/v2"

const echarts = `charts components event opts render types`

const gonbPath = "github.com/janpfeifer/gonb/gonbui"

const gonb = `. comms dom plotly protocol widgets`

const zstdPath = "github.com/klauspost/compress/zstd"

// packageGroups lists what is registered, file by file, in the order in which names are taken for automatic imports.
func packageGroups() ([]group, error) {
	var groups []group
	for _, room := range []string{"lib", "simd", "datasets"} {
		paths, err := ownPackages(room)
		if err != nil {
			return nil, err
		}
		groups = append(groups, group{room, paths})
	}
	groups = append(groups,
		group{"echarts", under(echartsPath, echarts)},
		group{"std", strings.Fields(standard)},
		group{"arrow", under(arrowPath, arrow)},
		group{"gonb", under(gonbPath, gonb)},
		group{"zstd", []string{zstdPath}},
	)
	return slices.DeleteFunc(groups, func(g group) bool { return len(g.paths) == 0 }), nil
}

func under(root, names string) []string {
	var paths []string
	for _, name := range strings.Fields(names) {
		if name == "." {
			paths = append(paths, root)
		} else {
			paths = append(paths, root+"/"+name)
		}
	}
	return paths
}

// ownPackages lists the library packages of one room: neither commands nor internal ones nor test kits.
func ownPackages(room string) ([]string, error) {
	if _, err := os.Stat(room); err != nil {
		return nil, nil
	}
	out, err := exec.Command("go", "list", "-f", "{{.Name}} {{.ImportPath}}", "./"+room+"/...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", room, err)
	}
	var paths []string
	for line := range strings.Lines(string(out)) {
		name, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "main" || strings.Contains(path+"/", "test/") || strings.Contains(path+"/", "/internal/") {
			continue
		}
		paths = append(paths, path)
	}
	return paths, nil
}
