package corpus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Store is a place of objects, as S3 is: what a scheme like "s3" in a pattern stands for, once it is mounted.
type Store interface {
	// List returns the names of the objects that begin with prefix, such as "bucket/folder/", in any order.
	List(ctx context.Context, prefix string) ([]string, error)
	// Open reads an object from a byte on. A reader that has a method Version() string tells contents apart: one that is read in
	// several parts must keep its version.
	Open(ctx context.Context, name string, offset int64) (io.ReadCloser, error)
}

var stores = struct {
	sync.RWMutex
	of map[string]Store
}{of: map[string]Store{"http": web{"http"}, "https": web{"https"}}}

// Mount makes patterns that begin with scheme:// name objects of s, wherever this package takes files. http and https are mounted.
func Mount(scheme string, s Store) {
	stores.Lock()
	defer stores.Unlock()
	stores.of[scheme] = s
}

// object is a place in a store, and what its content must be.
type object struct {
	store  Store
	scheme string
	name   string
	sha256 string // hexadecimal; "" for unknown
}

// remote parses "scheme://name#sha256=…"; ok is false for what is no such thing, but a file.
func remote(pattern string) (o object, ok bool, err error) {
	scheme, name, ok := strings.Cut(pattern, "://")
	if !ok || strings.ContainsAny(scheme, `/\.`) {
		return o, false, nil
	}
	stores.RLock()
	o.store = stores.of[scheme]
	stores.RUnlock()
	o.scheme = scheme
	if o.store == nil {
		return o, true, fmt.Errorf("corpus: no store for %s:// is mounted: call corpus.Mount", scheme)
	}
	o.name, o.sha256, _ = strings.Cut(name, "#sha256=")
	o.sha256 = strings.ToLower(o.sha256)
	if raw, err := hex.DecodeString(o.sha256); err != nil || o.sha256 != "" && len(raw) != sha256.Size {
		return o, true, fmt.Errorf("corpus: %s: a SHA-256 has 64 hexadecimal digits", pattern)
	}
	return o, true, nil
}

// String returns the object's URL without a password, for sources and errors.
func (o object) String() string {
	whole := o.scheme + "://" + o.name
	if u, err := url.Parse(whole); err == nil && u.User != nil {
		return u.Redacted()
	}
	return whole
}

// base is the name of the file that the object is.
func (o object) base() string {
	name := o.name
	if _, ok := o.store.(web); ok {
		name, _, _ = strings.Cut(name, "?")
		if plain, err := url.PathUnescape(name); err == nil {
			name = plain
		}
	}
	return path.Base(name)
}

// list returns the objects that a pattern names: it itself, those that its wildcards match, or all below it where it ends in "/".
func (o object) list(ctx context.Context) ([]string, error) {
	wild := strings.IndexAny(o.name, "*?[")
	if _, ok := o.store.(web); ok || wild < 0 && !strings.HasSuffix(o.name, "/") {
		name := o.scheme + "://" + o.name
		if o.sha256 != "" {
			name += "#sha256=" + o.sha256
		}
		return []string{name}, nil
	}
	prefix := o.name
	if wild >= 0 {
		prefix = o.name[:wild]
	}
	names, err := o.store.List(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("corpus: %s: %w", o, err)
	}
	slices.Sort(names)
	var out []string
	for _, name := range names {
		ok := wild < 0
		if !ok {
			if ok, err = path.Match(o.name, name); err != nil {
				return nil, fmt.Errorf("corpus: %s: %w", o, err)
			}
		}
		if ok {
			out = append(out, o.scheme+"://"+name)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("corpus: no object matches %q", o)
	}
	return out, nil
}

// Patience with stores: so many openings without a byte between them, with pauses that double; and how long a byte may take.
var (
	maxTries   = 6
	firstPause = 250 * time.Millisecond
	maxIdle    = 60 * time.Second
)

// permanent is an error that trying again does not mend.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// wrongContent is a SHA-256 that is not the one asked for.
type wrongContent struct{ permanent }

func (w wrongContent) Unwrap() error { return w.permanent }

// resuming reads an object, and goes on where it was when the connection is lost. At the end it compares the SHA-256.
type resuming struct {
	ctx     context.Context
	o       object
	at      int64
	sum     hash.Hash
	body    io.ReadCloser
	cancel  context.CancelFunc
	idle    *time.Timer
	version string
	begun   bool
	tries   int
}

// open begins to read an object from a byte on; sum has seen what is before it.
func (o object) open(ctx context.Context, at int64, version string, sum hash.Hash) *resuming {
	return &resuming{ctx: ctx, o: o, at: at, version: version, begun: at > 0, sum: sum}
}

func (r *resuming) Read(p []byte) (int, error) {
	for {
		if r.body == nil {
			if err := r.connect(); err != nil {
				return 0, err
			}
		}
		r.idle.Reset(maxIdle)
		n, err := r.body.Read(p)
		r.idle.Stop()
		r.sum.Write(p[:n])
		r.at += int64(n)
		if n > 0 {
			r.tries = 0
			return n, nil
		}
		if err == io.EOF {
			return 0, r.verify()
		}
		if err != nil {
			r.hangUp()
			if err := r.pause(err); err != nil {
				return 0, err
			}
		}
	}
}

func (r *resuming) verify() error {
	if got := hex.EncodeToString(r.sum.Sum(nil)); r.o.sha256 != "" && got != r.o.sha256 {
		return wrongContent{permanent{fmt.Errorf("%s: content has SHA-256 %s, want %s", r.o, got, r.o.sha256)}}
	}
	return io.EOF
}

// connect opens the object where reading stopped.
func (r *resuming) connect() error {
	for {
		ctx, cancel := context.WithCancel(r.ctx)
		idle := time.AfterFunc(maxIdle, cancel)
		body, err := r.o.store.Open(ctx, r.o.name, r.at)
		if err == nil {
			r.body, r.cancel, r.idle = body, cancel, idle
			if v, ok := body.(interface{ Version() string }); ok {
				if r.begun && v.Version() != r.version {
					r.hangUp()
					return permanent{errors.New("the object changed while it was read: read it again")}
				}
				r.version = v.Version()
			}
			r.begun = true
			return nil
		}
		idle.Stop()
		cancel()
		if err := r.pause(err); err != nil {
			return err
		}
	}
}

// pause waits before the next try; it returns the error where there is none.
func (r *resuming) pause(err error) error {
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	r.tries++
	var final permanent
	if errors.As(err, &final) || r.tries >= maxTries {
		return err
	}
	select {
	case <-time.After(firstPause << (r.tries - 1)):
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

func (r *resuming) hangUp() {
	r.idle.Stop()
	r.body.Close()
	r.cancel()
	r.body = nil
}

func (r *resuming) Close() error {
	if r.body != nil {
		r.hangUp()
	}
	return nil
}

// Fetch copies a file from a URL, or from a mounted store, into a folder and returns its path. A URL may end in #sha256= and the
// digits that its content must have. A download that was cut off, or whose process was killed, is continued, where the server can; a
// file that is there is not fetched again, but compared with the SHA-256 if there is one.
func Fetch(ctx context.Context, dir, from string) (string, error) {
	o, ok, err := remote(from)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", fmt.Errorf("corpus: fetch: %q is no URL", from)
	}
	base := filepath.Base(o.base())
	if base == "." || base == ".." || base == string(filepath.Separator) {
		return "", fmt.Errorf("corpus: fetch: %s names no file", o)
	}
	to := filepath.Join(dir, base)
	if err = os.MkdirAll(dir, 0o777); err == nil {
		err = o.fetch(ctx, to)
	}
	if err != nil {
		return "", fmt.Errorf("corpus: fetch: %s: %w", o, err)
	}
	return to, nil
}

func (o object) fetch(ctx context.Context, to string) error {
	if _, err := os.Stat(to); err == nil {
		sum := sha256.New()
		if _, err := hashFile(to, sum); err != nil {
			return err
		}
		if got := hex.EncodeToString(sum.Sum(nil)); o.sha256 != "" && got != o.sha256 {
			return fmt.Errorf("%s is there and has SHA-256 %s, want %s: remove it or choose another folder", to, got, o.sha256)
		}
		return nil
	}
	part, note := to+".fetch", to+".fetch.version"
	version, err := os.ReadFile(note)
	if err != nil || o.sha256 == "" && strings.TrimSpace(string(version)) == "" {
		os.Remove(part) // nothing tells whether it belongs to what is there now
	}
	sum := sha256.New()
	at, err := hashFile(part, sum)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	r := o.open(ctx, at, string(version), sum)
	defer r.Close()
	if err := r.connect(); err != nil {
		return errors.Join(err, o.forget(err, part, note))
	}
	if err := os.WriteFile(note, []byte(r.version), 0o666); err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		return errors.Join(err, o.forget(err, part, note))
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(part, to), os.Remove(note))
}

// forget removes a part that cannot be continued.
func (o object) forget(err error, files ...string) error {
	var final permanent
	if !errors.As(err, &final) {
		return nil
	}
	var all error
	for _, f := range files {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	return all
}

func hashFile(path string, sum hash.Hash) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return io.Copy(sum, f)
}
