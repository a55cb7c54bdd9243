package show

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var pictures = regexp.MustCompile(`base64,[^"]*`)

// TestGoldenBundles holds every bundle of the gallery against its file: texts in full, pictures, tables and scripts by what they
// say, since PNG depends on the converter that is installed.
func TestGoldenBundles(t *testing.T) {
	record(t)
	Line([]int{1}).MIMEBundle() // carries the library
	for _, v := range append(append(plots(), goEcharts()...), others()...) {
		t.Run(v.name, func(t *testing.T) {
			bundle := v.value.MIMEBundle()
			delete(bundle, "image/png")
			var buf bytes.Buffer
			for _, mime := range []string{"text/plain", "text/markdown", "text/csv", "application/json", "image/svg+xml", "text/html"} {
				if content, ok := bundle[mime]; ok {
					if raw, ok := content.(json.RawMessage); ok {
						content = string(raw)
					}
					text := pictures.ReplaceAllString(content.(string), "base64,(the SVG above)")
					fmt.Fprintf(&buf, "-- %s --\n%s\n", mime, text)
					delete(bundle, mime)
				}
			}
			if len(bundle) > 0 {
				t.Errorf("media types without a golden form: %v", bundle)
			}
			golden(t, filepath.Join("testdata", "bundles", v.name+".txt"), buf.Bytes())
		})
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: run go test -run %s -update", err, t.Name())
	}
	if !bytes.Equal(got, want) {
		diff := cmp.Diff(string(want), string(got))
		t.Errorf("%s differs (-want +got):\n%.4000s", file, diff)
	}
}
