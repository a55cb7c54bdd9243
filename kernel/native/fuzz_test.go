package native

import (
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"

	"quire/kernel/session"
)

// FuzzTranslate: any cell gives either an error or a file that parses, and never a panic.
func FuzzTranslate(f *testing.F) {
	for _, seed := range []string{
		"x = append(x, 1)\nx", "func f() int { return x[0] }\ny := f()", "import \"fmt\"\nfmt.Println(x)", "type t struct{ x []int }\nfunc (v t) m() {}",
		"var a, b = 1, 2\nconst c = a", "for i := range x { x[i]++ }", "if {", "}{", "func g[T any](v T) {}", "a, _ := 1, x; map[string]int{\"x\": len(x)}", "\"",
	} {
		f.Add(seed)
	}
	names := map[string]session.Name{"x": {Name: "x", Kind: "var", Type: types.NewSlice(types.Typ[types.Int])}}
	f.Fuzz(func(t *testing.T, body string) {
		s := scope{home: cellPath, names: names, auto: map[string]string{"fmt": "fmt"}, methods: func(string) string { return "" }}
		_, source, err := translate(s, "cell[1]", body, 2)
		if err != nil {
			return
		}
		if _, err := parser.ParseFile(token.NewFileSet(), "", source, 0); err != nil && !strings.Contains(body, "/*line") && !strings.Contains(body, "//line") {
			t.Errorf("%q was translated to what does not parse: %v\n%s", body, err, source)
		}
	})
}
