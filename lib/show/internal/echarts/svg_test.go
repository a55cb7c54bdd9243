package echarts

import (
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
)

const published = "b66b25aeb4df84e33199dc21694014d336d222cbd9deb0e5a7c14bd6aa0d0fd0" // npm echarts 6.1.0, dist/echarts.min.js

func TestEmbeddedIsPublished(t *testing.T) {
	text, err := source()
	if err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(text))); sum != published {
		t.Errorf("echarts.min.js has SHA-256 %s, published was %s", sum, published)
	}
	if !strings.Contains(text, `version="`+Version+`"`) && !strings.Contains(text, `"`+Version+`"`) {
		t.Errorf("the embedded library does not say that it is version %s", Version)
	}
}

// Line is an option with n points.
func line(n int) string {
	var b strings.Builder
	b.WriteString(`{xAxis:{},yAxis:{},legend:{},series:[{name:"s",type:"line",showSymbol:false,data:[`)
	for i := range n {
		fmt.Fprintf(&b, "[%d,%g],", i, math.Sin(float64(i)/50))
	}
	b.WriteString("]}]}")
	return b.String()
}

func TestSVG(t *testing.T) {
	svg, err := SVG(line(100), "q1", "", 600, 400)
	if err != nil {
		t.Fatal(err)
	}
	wellFormed(t, svg)
	again, err := SVG(line(100), "q1", "", 600, 400)
	if err != nil {
		t.Fatal(err)
	}
	if svg != again {
		t.Error("the same chart was drawn in two ways")
	}
	if strings.Contains(svg, "zr0-") {
		t.Error("names of the renderer are left in the document")
	}
}

func TestBadOptionHurtsOnlyItself(t *testing.T) {
	for _, option := range []string{"{", "null", `{series:[{type:"line",data:[1]}]}`, `(function(){throw new Error("x\ny")})()`} {
		if _, err := SVG(option, "q", "", 100, 100); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("option %s: error %v, want one line", option, err)
		}
	}
	if _, err := SVG(line(10), "q", "", 600, 400); err != nil {
		t.Errorf("after bad options: %v", err)
	}
}

func wellFormed(t *testing.T, svg string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("SVG: %v", err)
		}
	}
}

// BenchmarkSVG has the bar: a line of 1,000 points in 60 ms once the library is loaded.
func BenchmarkSVG(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprintf("line=%d", n), func(b *testing.B) {
			option := line(n)
			if _, err := SVG(option, "q", "", 900, 420); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := SVG(option, "q", "", 900, 420); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
