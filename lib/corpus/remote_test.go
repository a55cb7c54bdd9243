package corpus

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// flaky serves one content and misbehaves as told.
type flaky struct {
	content  []byte
	etag     string
	cut      int  // bytes after which each connection breaks; 0: never
	noRanges bool // serves the whole, whatever range is asked for; of connections that break, each a cut later
	status   int  // answered to the first failures requests
	failures int64

	requests atomic.Int64
	served   atomic.Int64 // bytes
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := f.requests.Add(1)
	if n <= f.failures {
		http.Error(w, "not now", f.status)
		return
	}
	if f.etag != "" {
		w.Header().Set("ETag", f.etag)
	}
	left := f.cut
	if f.noRanges {
		r.Header.Del("Range")
		left *= int(n)
	}
	http.ServeContent(&cutting{w, f, left}, r, "", time.Time{}, bytes.NewReader(f.content))
}

type cutting struct {
	http.ResponseWriter
	f    *flaky
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	if c.f.cut > 0 && len(p) > c.left {
		n, _ := c.ResponseWriter.Write(p[:c.left])
		c.f.served.Add(int64(n))
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	n, err := c.ResponseWriter.Write(p)
	c.f.served.Add(int64(n))
	return n, err
}

// impatient makes the pauses between tries short for one test.
func impatient(t *testing.T) {
	tries, pause, idle := maxTries, firstPause, maxIdle
	maxTries, firstPause = 3, time.Millisecond
	t.Cleanup(func() { maxTries, firstPause, maxIdle = tries, pause, idle })
}

func manyLines(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "{\"id\":\"%d\",\"text\":\"line %d of a file that is served in pieces\"}\n", i, i)
	}
	return b.Bytes()
}

func serve(t *testing.T, f *flaky) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

func TestURLs(t *testing.T) {
	impatient(t)
	lines := manyLines(5000)
	zipped := gzipped(string(lines))
	for name, c := range map[string]struct {
		f    *flaky
		file string
		most int64 // bytes that may be served in all
	}{
		"whole":              {&flaky{content: lines}, "a.jsonl", int64(len(lines))},
		"cut often":          {&flaky{content: lines, etag: `"1"`, cut: 50_000}, "a.jsonl?token=x/y", int64(len(lines))},
		"cut, compressed":    {&flaky{content: zipped, etag: `"1"`, cut: 5000}, "a%20b.jsonl.gz", int64(len(zipped))},
		"cut, without range": {&flaky{content: lines, etag: `"1"`, cut: 100_000, noRanges: true}, "a.jsonl", 1 << 40},
		"busy at first":      {&flaky{content: lines, status: 503, failures: 2}, "a.jsonl", int64(len(lines))},
	} {
		url := serve(t, c.f) + "/data/" + c.file
		for _, pattern := range []string{url, fmt.Sprintf("%s#sha256=%X", url, sha256.Sum256(c.f.content))} {
			c.f.requests.Store(0)
			c.f.served.Store(0)
			got, im, err := Build(t.Context(), filepath.Join(t.TempDir(), "a.arrow"), Fields{}, pattern)
			if err != nil || im.Bad > 0 || im.Docs != 5000 {
				t.Fatalf("%s: %d documents, %v, error %v", name, im.Docs, im.First, err)
			}
			defer got.Close()
			last := documents(t, got)[4999]
			if last.ID != "4999" || last.Source != url+":5000" {
				t.Errorf("%s: the last document is %+v", name, last)
			}
			if c.f.cut > 0 && c.f.requests.Load() < 3 || c.f.served.Load() > c.most {
				t.Errorf("%s: %d requests, %d bytes served", name, c.f.requests.Load(), c.f.served.Load())
			}
		}
	}
}

func TestURLFailures(t *testing.T) {
	impatient(t)
	wrong := strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		f     *flaky
		file  string
		bad   string // in a bad record
		fatal string // ends the reading
	}{
		"missing":        {f: &flaky{status: 404, failures: 9}, file: "a.jsonl", bad: "404 Not Found"},
		"always busy":    {f: &flaky{status: 503, failures: 9}, file: "a.jsonl", bad: "503"},
		"wrong content":  {f: &flaky{content: manyLines(9)}, file: "a.jsonl#sha256=" + wrong, fatal: "content has SHA-256 "},
		"wrong archive":  {f: &flaky{content: []byte("no gzip at all")}, file: "a.jsonl.gz#sha256=" + wrong, fatal: "content has SHA-256 "},
		"wrong table":    {f: &flaky{content: []byte("PAR1")}, file: "a.parquet#sha256=" + wrong, fatal: "content has SHA-256 "},
		"broken table":   {f: &flaky{content: []byte("PAR1")}, file: "a.parquet", bad: "a.parquet"},
		"no such digits": {f: &flaky{}, file: "a.jsonl#sha256=12", fatal: "64 hexadecimal digits"},
	} {
		_, im, err := Build(t.Context(), filepath.Join(t.TempDir(), "a.arrow"), Fields{}, serve(t, c.f)+"/"+c.file)
		if c.fatal != "" && (err == nil || !strings.Contains(err.Error(), c.fatal)) || c.fatal == "" && err != nil {
			t.Errorf("%s: error %v", name, err)
		}
		if c.bad != "" && (im.Bad != 1 || !strings.Contains(im.First[0].Source+im.First[0].Reason, c.bad)) {
			t.Errorf("%s: bad records %v", name, im.First)
		}
		if name == "missing" && c.f.requests.Load() != 1 {
			t.Errorf("%s: asked %d times", name, c.f.requests.Load())
		}
	}
}

// TestURLChanges: another version in the middle is no continuation of the first.
func TestURLChanges(t *testing.T) {
	impatient(t)
	f := &flaky{content: manyLines(5000), cut: 50_000}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.etag = fmt.Sprintf("\"%d\"", f.requests.Load())
		f.ServeHTTP(w, r)
	}))
	defer s.Close()
	url := s.URL + "/a.jsonl"
	_, im, err := Build(t.Context(), filepath.Join(t.TempDir(), "a.arrow"), Fields{}, url)
	if err != nil || im.Bad != 2 || !strings.Contains(im.First[1].Reason, "changed while it was read") { // the first is half a line
		t.Errorf("bad records %v, error %v", im.First, err)
	}
}

func TestFetch(t *testing.T) {
	impatient(t)
	f := &flaky{content: manyLines(20_000), etag: `"1"`}
	url := serve(t, f) + "/x/a.jsonl"
	sum := fmt.Sprintf("#sha256=%x", sha256.Sum256(f.content))
	dir := t.TempDir()

	// A process that is killed leaves a part and its version.
	part := len(f.content) / 3
	write(t, filepath.Join(dir, "a.jsonl.fetch"), f.content[:part])
	write(t, filepath.Join(dir, "a.jsonl.fetch.version"), []byte(`"1" `))
	for range 2 { // the second time, nothing is left to do
		path, err := Fetch(t.Context(), dir, url+sum)
		if err != nil || path != filepath.Join(dir, "a.jsonl") {
			t.Fatal(path, err)
		}
	}
	if f.requests.Load() != 1 || f.served.Load() != int64(len(f.content)-part) {
		t.Errorf("%d requests, %d bytes served; %d were missing", f.requests.Load(), f.served.Load(), len(f.content)-part)
	}
	if got := readTree(t, dir); len(got) != 1 || got["a.jsonl"] != string(f.content) {
		t.Errorf("the folder holds %d files", len(got))
	}

	// A part of another version, one whose content is wrong, and one that is complete.
	for name, c := range map[string]struct {
		part    []byte
		version string
		url     string
		fails   string
	}{
		"other version": {f.content[:part], `"0" `, url, "changed"},
		"wrong content": {bytes.Repeat([]byte("x"), part), `"1" `, url + sum, "content has SHA-256"},
		"complete":      {f.content, `"1" `, url + sum, ""},
		"no version":    {[]byte("xx"), " ", url, ""},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "a.jsonl.fetch"), c.part)
		write(t, filepath.Join(dir, "a.jsonl.fetch.version"), []byte(c.version))
		_, err := Fetch(t.Context(), dir, c.url)
		if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%s: error %v", name, err)
		}
		if err != nil { // the next try begins anew
			if _, err := Fetch(t.Context(), dir, c.url); err != nil {
				t.Errorf("%s, second try: %v", name, err)
			}
		}
		if got := readTree(t, dir); len(got) != 1 || got["a.jsonl"] != string(f.content) {
			t.Errorf("%s: the folder holds %d files", name, len(got))
		}
	}
	if _, err := Fetch(t.Context(), dir, url+"#sha256="+strings.Repeat("0", 64)); err == nil || !strings.Contains(err.Error(), "is there and has SHA-256") {
		t.Errorf("a file with other content is there: error %v", err)
	}
}

func TestFetchCancelled(t *testing.T) {
	f := &flaky{content: manyLines(20_000), etag: `"1"`, cut: 10_000}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.requests.Load() == 2 {
			cancel()
		}
		f.ServeHTTP(w, r)
	}))
	defer s.Close()
	if _, err := Fetch(ctx, t.TempDir(), s.URL+"/a.jsonl"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v behind %d requests", err, f.requests.Load())
	}
}

// TestStalled: a connection on which nothing comes is given up, and another one is made.
func TestStalled(t *testing.T) {
	impatient(t)
	maxTries, maxIdle = 1000, 100*time.Millisecond // on a busy machine other connections may stall too
	content := manyLines(2000)
	var requests atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			w.Write(content[:len(content)/2])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	defer s.Close()
	path, err := Fetch(t.Context(), t.TempDir(), s.URL+"/a.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) || requests.Load() < 2 {
		t.Errorf("%d of %d bytes in %d requests, error %v", len(got), len(content), requests.Load(), err)
	}
}

// TestSecrets: a password in a URL serves to fetch and is told to nobody.
func TestSecrets(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "secret" {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		w.Write([]byte(`{"text":"t"}`))
	}))
	defer s.Close()
	url := strings.Replace(s.URL, "http://", "http://me:secret@", 1) + "/a.jsonl"
	for d, err := range Read(t.Context(), Fields{}, url) {
		if err != nil || d.Text != "t" || strings.Contains(d.Source+d.ID, "secret") || !strings.Contains(d.Source, "/a.jsonl:1") {
			t.Errorf("%+v, error %v", d, err)
		}
	}
	if _, err := Fetch(t.Context(), t.TempDir(), url+"/%2e%2e"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}

// shelf is an object store in memory.
type shelf map[string]string

func (s shelf) List(_ context.Context, prefix string) (names []string, err error) {
	for name := range s {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names, nil
}

func (s shelf) Open(_ context.Context, name string, offset int64) (io.ReadCloser, error) {
	text, ok := s[name]
	if !ok {
		return nil, os.ErrNotExist
	}
	return io.NopCloser(strings.NewReader(text[offset:])), nil
}

func TestStore(t *testing.T) {
	impatient(t)
	Mount("shelf", shelf{"b/2.txt": "two", "b/1.txt": "one", "b/deep/3.txt": "three", "c/4.md": "four"})
	for pattern, want := range map[string][]string{
		"shelf://b/1.txt":  {"one"},
		"shelf://b/*.txt":  {"one", "two"},
		"shelf://b/":       {"one", "two", "three"},
		"shelf://[bc]/*.*": {"one", "two", "four"},
	} {
		var got []string
		for d, err := range Read(t.Context(), Fields{}, pattern) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, d.Text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", pattern, got, want)
		}
	}
	for pattern, want := range map[string]string{"shelf://x/*": "no object matches", "attic://x": "no store for attic:// is mounted"} {
		if _, err := Glob(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", pattern, err)
		}
	}
}
