package house

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"go/format"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// pkg is what the rules ask about a package, in the words of go list.
type pkg struct {
	ImportPath, Name, Dir, Doc string
	Imports                    []string
	TestImports, XTestImports  []string
	GoFiles, CgoFiles          []string
}

func (p pkg) path() string { return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, "quire"), "/") }

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Dir,Doc,Imports,TestImports,XTestImports,GoFiles,CgoFiles", "./...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 3 {
		t.Fatalf("go list found %d packages", len(all))
	}
	return all
}

// tracked lists the files that git tracks or would track, deleted ones left out; without git, every file of the tree.
func tracked(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("git ls-files: %v: the rules about files need a git checkout", err)
	}
	var files []string
	for _, f := range strings.Split(strings.TrimRight(string(out), "\x00"), "\x00") {
		if info, err := os.Lstat(filepath.Join(root, f)); err == nil && info.Mode().IsRegular() && !slices.Contains(files, f) {
			files = append(files, f)
		}
	}
	return files
}

func TestImportDirections(t *testing.T) {
	for _, p := range packages(t) {
		if _, ok := roomOf(p.path()); !ok {
			t.Errorf("%s: no rule for this room: add it to directions", p.ImportPath)
			continue
		}
		for _, to := range p.Imports {
			if to, ours := strings.CutPrefix(to, "quire/"); ours && !mayImport(p.path(), to) {
				t.Errorf("%s imports quire/%s, which its room must not", p.ImportPath, to)
			}
		}
	}
}

// Tests may reach further than the code they test, but never from the library or the tensors up into the kernel.
func TestTestsStayBelowTheKernel(t *testing.T) {
	for _, p := range packages(t) {
		if !within(p.path(), "lib") && !within(p.path(), "simd") && !within(p.path(), "datasets") {
			continue
		}
		for _, to := range slices.Concat(p.TestImports, p.XTestImports) {
			if strings.HasPrefix(to, "quire/kernel") {
				t.Errorf("a test of %s imports %s", p.ImportPath, to)
			}
		}
	}
}

func TestRulesCanFail(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"lib/show", "lib/token", false},
		{"lib/token", "lib/show", true},
		{"lib/eval", "lib/infer", false},
		{"simd/cpu", "simd/ref", false},
		{"simd/tensor", "lib/show", false},
		{"lib/model", "simd/tensor", true},
		{"lib/model", "kernel/link", false},
		{"kernel/session", "lib/show", false},
		{"kernel/host", "lib/show", true},
		{"elsewhere", "lib/show", false},
	} {
		if got := mayImport(c.from, c.to); got != c.want {
			t.Errorf("mayImport(%q, %q) = %v", c.from, c.to, got)
		}
	}
}

func TestPackagesExplainThemselves(t *testing.T) {
	banned := []string{"util", "utils", "common", "helper", "helpers", "misc"}
	for _, p := range packages(t) {
		if len(p.GoFiles)+len(p.CgoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		if slices.Contains(banned, p.Name) {
			t.Errorf("%s: a package named %s says nothing: name what it owns", p.ImportPath, p.Name)
		}
	}
}

// fileNamed is a file, or a pattern of files, that a package comment names; the second group tells a web address.
var fileNamed = regexp.MustCompile(`([\w/*]+\.go)(\.\w)?`)

func TestPackageCommentsNameFilesThatExist(t *testing.T) {
	seen := 0
	for _, f := range goFiles(t) {
		file, err := parser.ParseFile(token.NewFileSet(), f, read(t, f), parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			continue // TestFormatted says so
		}
		for _, m := range fileNamed.FindAllStringSubmatch(file.Doc.Text(), -1) {
			seen++
			beside, _ := filepath.Glob(filepath.Join(root, filepath.Dir(f), m[1]))
			below, _ := filepath.Glob(filepath.Join(root, m[1]))
			if m[2] == "" && len(beside)+len(below) == 0 {
				t.Errorf("%s: the package comment names %s, which is not there", f, m[1])
			}
		}
	}
	if seen < 20 {
		t.Errorf("package comments name %d files: the pattern misses them", seen)
	}
}

// A file over 1,000 lines says why in a comment that begins "Long file:" within its first 40 lines; generated files may be long.
func TestFileLength(t *testing.T) {
	for _, f := range goFiles(t) {
		if generatedName(f) {
			continue
		}
		src := read(t, f)
		if n := bytes.Count(src, []byte("\n")); n > 1000 {
			head := strings.Join(strings.SplitN(string(src), "\n", 41)[:40], "\n")
			if !strings.Contains(head, "Long file:") {
				t.Errorf("%s has %d lines and no comment “Long file: …” that says why", f, n)
			}
		}
	}
}

var generatedHeader = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func generatedName(f string) bool { return strings.HasPrefix(filepath.Base(f), "zz_") }

func TestGeneratedFilesAreMarked(t *testing.T) {
	for _, f := range tracked(t) {
		if ext := filepath.Ext(f); ext != ".go" && ext != ".s" {
			continue
		}
		marked := generatedHeader.Match(firstLines(read(t, f), 10))
		if marked != generatedName(f) {
			t.Errorf("%s: generated header %v, but the name says %v: generated files are named zz_*", f, marked, generatedName(f))
		}
	}
}

func TestFormatted(t *testing.T) {
	for _, f := range goFiles(t) {
		src := read(t, f)
		if _, err := parser.ParseFile(token.NewFileSet(), f, src, parser.ParseComments); err != nil {
			t.Errorf("%v", err)
		} else if out, err := format.Source(src); err != nil || !bytes.Equal(out, src) {
			t.Errorf("%s is not formatted: run gofmt -w", f)
		}
	}
}

// Vet must be clean in every way the module is built: with the SIMD experiment, without it, and for arm64.
func TestVet(t *testing.T) {
	if testing.Short() {
		t.Skip("go vet of the whole module, three times: run without -short")
	}
	for _, env := range [][]string{{"GOEXPERIMENT=simd"}, {"GOEXPERIMENT="}, {"GOEXPERIMENT=", "GOARCH=arm64", "CGO_ENABLED=0"}} {
		t.Run(strings.Join(env, " "), func(t *testing.T) {
			cmd := exec.Command("go", "vet", "./...")
			cmd.Dir = root
			cmd.Env = append(os.Environ(), env...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("go vet: %v\n%s", err, out)
			}
		})
	}
}

func TestDependenciesHaveReasons(t *testing.T) {
	mod := bufio.NewScanner(bytes.NewReader(read(t, "go.mod")))
	var seen int
	for inBlock := false; mod.Scan(); {
		line := strings.TrimSpace(mod.Text())
		switch {
		case line == "require (":
			inBlock = true
		case line == ")":
			inBlock = false
		case inBlock && !strings.HasSuffix(line, "// indirect"):
			seen++
			if _, reason, ok := strings.Cut(line, "// "); !ok || len(reason) < 5 {
				t.Errorf("go.mod: %q has no reason beside it", line)
			}
		}
	}
	if seen == 0 {
		t.Error("go.mod: no direct dependency found: the test reads it wrongly")
	}
}

// No tracked file is large, and none carries a path of the machine it was written on: of this checkout, of what lies beside it, of a
// person's home.
func TestFilesTravel(t *testing.T) {
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	places := places(top)
	for _, f := range tracked(t) {
		src := read(t, f)
		if len(src) > 1<<20 {
			t.Errorf("%s has %d bytes: over 1 MB", f, len(src))
		}
		if bytes.IndexByte(src, 0) >= 0 {
			continue
		}
		if m := places.Find(src); m != nil {
			t.Errorf("%s carries %s, a path of a machine", f, m)
		}
	}
}

// places finds absolute paths that mean something on one machine only, whatever folder the checkout is in.
func places(top string) *regexp.Regexp {
	of := []string{regexp.QuoteMeta(top), regexp.QuoteMeta(filepath.Join(filepath.Dir(top), "shared")), `/(?:home|Users)/[a-z]\w*`, `/root`}
	return regexp.MustCompile(`(?:^|[^A-Za-z0-9_.}*])(?:` + strings.Join(of, "|") + `)/`)
}

func TestPlacesAreFound(t *testing.T) {
	for text, want := range map[string]bool{
		"see /repo/lib": true, "/repo/x": true, "(/shared/data)": true, "see /" + "home/ann/x": true, "/" + "Users/bob/x": true, "in /" + "root/.cache": true,
		"// a comment": false, "../shared/data": false, "https://a.org/repo/x": false, "/repository/x": false, "/tmp/repo/x": false, "$HOME/go": false,
	} {
		if got := places("/repo").MatchString(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func goFiles(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(tracked(t), func(f string) bool {
		return filepath.Ext(f) != ".go" || strings.Contains(f, "testdata/")
	})
}

func read(t *testing.T, f string) []byte {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(root, f))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func firstLines(src []byte, n int) []byte {
	for i, b := range src {
		if b == '\n' {
			if n--; n == 0 {
				return src[:i]
			}
		}
	}
	return src
}
