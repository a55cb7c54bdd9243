package wire

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func codec(t testing.TB, key string) *Codec {
	c, err := NewCodec(key, "hmac-sha256")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRoundTrip(t *testing.T) {
	for _, key := range []string{"secret", ""} {
		c := codec(t, key)
		m := New("execute_request", "s", nil, map[string]any{"code": "1+1"})
		m.Idents = [][]byte{[]byte("peer")}
		m.Buffers = [][]byte{{0, 1, 2}}
		got, err := c.Decode(c.Encode(m))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m.Header, got.Header); diff != "" {
			t.Errorf("header (-want +got):\n%s", diff)
		}
		if string(got.Content) != `{"code":"1+1"}` || string(got.Idents[0]) != "peer" || got.Buffers[0][2] != 2 {
			t.Errorf("got %+v", got)
		}
		reply := New("execute_reply", "s", got.RawHeader, struct{}{})
		if back, err := c.Decode(c.Encode(reply)); err != nil || back.ParentHeader().ID != m.Header.ID {
			t.Errorf("parent id %q, %v; want %q", back.ParentHeader().ID, err, m.Header.ID)
		}
	}
}

// The signature is the one that jupyter_client's Session.sign gives for the same parts.
func TestSignatureKnown(t *testing.T) {
	got := codec(t, "a0436f6c-1916-498b-8eb9-e81ab9368e84").sign([][]byte{[]byte(`{}`), []byte(`{}`), []byte(`{}`), []byte(`{"a":1}`)})
	const want = "f54a1b3872f0a933a42aeb4aa916ad772d62885569dd257fe5eeb69f41dacb69"
	if string(got) != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	c := codec(t, "secret")
	good := func() [][]byte { return c.Encode(New("x", "s", nil, struct{}{})) }
	other := codec(t, "other").Encode(New("x", "s", nil, struct{}{}))
	if _, err := c.Decode(other); !errors.Is(err, ErrSignature) {
		t.Errorf("foreign key: %v, want ErrSignature", err)
	}
	unsigned := good()
	unsigned[1] = nil
	if _, err := c.Decode(unsigned); !errors.Is(err, ErrSignature) {
		t.Errorf("no signature: %v, want ErrSignature", err)
	}
	changed := good()
	changed[5] = []byte(`{"code":"evil"}`)
	if _, err := c.Decode(changed); !errors.Is(err, ErrSignature) {
		t.Errorf("changed content: %v, want ErrSignature", err)
	}
	for n := range good() {
		if _, err := c.Decode(good()[:n]); err == nil {
			t.Errorf("a message cut to %d frames was accepted", n)
		}
	}
	if _, err := c.Decode(make([][]byte, MaxFrames+1)); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("too many frames: %v", err)
	}
	array := New("x", "s", nil, struct{}{})
	array.Content = json.RawMessage(`[1]`)
	if _, err := c.Decode(c.Encode(array)); err == nil {
		t.Error("content that is no object was accepted")
	}
	if _, err := NewCodec("k", "hmac-md5"); err == nil {
		t.Error("hmac-md5 was accepted")
	}
}

func TestReadConnection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.json")
	write := func(s string) {
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"ip":"/tmp/k","transport":"ipc","shell_port":1,"key":"k"}`)
	c, err := ReadConnection(path)
	if err != nil || c.Endpoint(c.ShellPort) != "ipc:///tmp/k-1" {
		t.Errorf("%q, %v", c.Endpoint(c.ShellPort), err)
	}
	write(`{"ip":"127.0.0.1","shell_port":7}`)
	if c, err := ReadConnection(path); err != nil || c.Endpoint(c.ShellPort) != "tcp://127.0.0.1:7" {
		t.Errorf("%q, %v", c.Endpoint(c.ShellPort), err)
	}
	for _, bad := range []string{"", "{", `{"transport":"udp"}`} {
		write(bad)
		if _, err := ReadConnection(path); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// FuzzDecode feeds arbitrary frames (split at newlines) with a right signature in half of the cases.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("id\n<IDS|MSG>\nsig\n{\"msg_id\":\"1\",\"msg_type\":\"x\"}\n{}\n{}\n{}\nbuffer"), true)
	f.Add([]byte("<IDS|MSG>\n\n[]\n{}\n{}\n"), true)
	f.Add([]byte("<IDS|MSG>"), false)
	f.Add([]byte(""), false)
	c := codec(f, "k")
	f.Fuzz(func(t *testing.T, data []byte, sign bool) {
		var frames [][]byte
		for part := range strings.SplitSeq(string(data), "\n") {
			frames = append(frames, []byte(part))
		}
		for i := range frames {
			if sign && string(frames[i]) == "<IDS|MSG>" && len(frames) > i+5 {
				frames[i+1] = c.sign(frames[i+2 : min(i+6, len(frames))])
				break
			}
		}
		m, err := c.Decode(frames)
		if err != nil {
			return
		}
		if !sign {
			t.Fatalf("unsigned frames accepted: %q", data)
		}
		again, err := c.Decode(c.Encode(m))
		if err != nil || again.Header != m.Header {
			t.Fatalf("re-encoded: %v, header %+v, want %+v", err, again.Header, m.Header)
		}
	})
}
