package magic_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"quire/kernel/host/hosttest"
	"quire/kernel/link"
)

// step is a cell of a script: what it prints must match out, or its error contain fail.
type step struct{ code, out, fail string }

// TestScripts runs every magic as a person would, in order, in one session a script.
func TestScripts(t *testing.T) {
	for name, steps := range map[string][]step{
		"names": {
			{"%who", `^no names\n$`, ""},
			{"x := 7\nname := \"abc\"\ntype point struct{ X int }\nfunc area(p point) int { return p.X }", "", ""},
			{"%who", `(?s)^name +kind +type +size +cell\narea +func +func\(p? ?point\) int.*name +var +string +19 B +2\n.*x +var +int +8 B +2\n$`, ""},
			{"%who type", `^name .*\npoint +type .*\n$`, ""},
			{"%who na", `^name .*\nname +var .*\n$`, ""},
			{"%rm x", "", ""},
			{"x", "", "undefined: x"},
			{"%rm nosuch", "", `no name "nosuch"`},
			{"%rm", "", "usage: %rm NAME..."},
			{"%reset", "", ""},
			{"%who", `^no names\n$`, ""},
			{"%reset now", "", "usage: %reset"},
		},
		"timing": {
			{"%time time.Sleep(20*time.Millisecond)", `^wall ([2-9]\d(\.\d+)?ms|\d{3}(\.\d+)?ms|\S*\ds)   cpu .*\n$`, ""},
			{"%%time\ny := 3\nfmt.Println(y)", `^3\nwall .*\n$`, ""},
			{"y + 1", "", ""},
			{"%time", "", "usage: %time CODE"},
			{"%timeit -n 10 -r 3 y++", `^\S+ ± \S+ per loop \(best \S+, 3 runs of 10 loops\)\n$`, ""},
			{"y", `^$`, ""},
			{"%%timeit -n 2 -r 2 z := 10\nz++", `2 runs of 2 loops`, ""},
			{"%timeit -n x y++", "", "usage: %timeit"},
			{"%timeit nosuch()", "", "undefined: nosuch"},
			{"%who timeit", `^no names\n$`, ""},
		},
		"process": {
			{"%env QUIRE_TEST_A=one two", "", ""},
			{"%env QUIRE_TEST_A", `^one two\n$`, ""},
			{"os.Getenv(\"QUIRE_TEST_A\")", "", ""},
			{"!echo $QUIRE_TEST_A", `^one two\n$`, ""},
			{"%env QUIRE_TEST_TOKEN=hunter2", "", ""},
			{"%env", `(?m)^QUIRE_TEST_TOKEN=\(hidden\)$`, ""},
			{"%env NO_SUCH_VARIABLE_HERE", "", "NO_SUCH_VARIABLE_HERE is not set"},
			{"%memlimit", `^no limit, in use .*B\n$`, ""},
			{"%memlimit 1KB", "", "holds"},
			{"%memlimit lots", "", `"lots" is no size: write a number with a unit, like 800MB or 6GiB`},
			{"%memlimit 64GiB", "", ""},
			{"%memlimit", `^limit 68.7 GB, in use .*B\n$`, ""},
			{"%memlimit off", "", ""},
			{"%memlimit", `^no limit`, ""},
		},
		"shell": {
			{"!echo out; echo err >&2", `^out\n$`, ""},
			{"!exit 3", "", "sh: exit status 3"},
			{"!sleep 3 & echo $!", `^\d+\n$`, ""},
			{"!", "", "usage: !COMMAND"},
			{"!!list = printf 'a\\nb c\\n'", `^$`, ""},
			{"fmt.Print(len(list), list[1])", `^2 ?b c$`, ""},
			{"%%bash one \"two three\"\nfor x in \"$@\"; do echo \"<$x>\"; done", `^<one>\n<two three>\n$`, ""},
			{"%%bash\nexit 4", "", "bash: exit status 4"},
			{"a := 1\n!echo between\nfmt.Print(a)", `^between\n1$`, ""},
		},
		"history": {
			{"h := 1", "", ""},
			{"nosuch", "", "undefined"},
			{"%history", `^\[1\] h := 1\n\[2\] nosuch   // failed\n$`, ""},
			{"%history 1", `^\[1\] h := 1\n$`, ""},
			{"%history such", `^\[2\] nosuch   // failed\n$`, ""},
			{"%recover", "", "nothing was lost"},
		},
		"capture": {
			{"%%capture text\nfmt.Println(\"quiet\")\nw := 2", `^$`, ""},
			{"fmt.Print(text, w)", `^quiet\n ?2$`, ""},
			{"%%capture\nnosuch()", "", "undefined: nosuch"},
		},
		"help": {
			{"%help", `(?s)%capture|%cd .*%time `, ""},
			{"%help timeit", `^%timeit \[-n LOOPS\]`, ""},
			{"%timeit %help", `^%timeit \[-n LOOPS\]`, ""},
			{"%help nosuch", "", "no magic nosuch"},
			{"%nosuch", "", "no magic %nosuch: %help lists them"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := hosttest.New(t)
			for _, s := range steps {
				if s.fail != "" {
					k.Fail(s.code, s.fail)
					continue
				}
				if out := k.Run(s.code).Stdout; !regexp.MustCompile(s.out).MatchString(out) {
					t.Errorf("%s\nprinted %q, want match of %s", s.code, out, s.out)
				}
			}
		})
	}
}

// TestHelp asks every magic for its help.
func TestHelp(t *testing.T) {
	k := hosttest.New(t)
	list := k.Run("%help").Stdout
	for _, m := range k.Magics() {
		if !strings.Contains(list, m.Name) || len(m.Help) < 20 {
			t.Errorf("%q is missing in %%help or has no help", m.Name)
		}
		if m.Name == "" || strings.HasPrefix(m.Name, "!") {
			continue
		}
		if got := k.Run("%" + m.Name + " %help").Stdout; got != m.Help+"\n" {
			t.Errorf("%%%s %%help printed %q", m.Name, got)
		}
	}
}

// TestFiles loads, saves and writes files, in a directory of its own.
func TestFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	k := hosttest.New(t)
	k.Run("%%writefile 'a file.txt'\nline one\nline two")
	k.Run("%%writefile -a 'a file.txt'\n, more")
	if got := read(t, "a file.txt"); got != "line one\nline two, more" {
		t.Errorf("file holds %q", got)
	}
	k.Fail("%%writefile\nx", "usage: %%writefile")
	r := k.Run("%load a file.txt")
	if r.NextInput == nil || !r.NextInput.Replace || !strings.HasSuffix(r.NextInput.Text, "line one\nline two, more") {
		t.Errorf("%%load gives %+v", r.NextInput)
	}
	k.Fail("%load nosuch.go", "no such file")
	k.Run("v := 1")
	k.Try("nosuch")
	k.Run("v++")
	k.Run("%save work.go")
	if got := read(t, "work.go"); !strings.Contains(got, "// cell 6\nv := 1\n") || !strings.Contains(got, "v++") || strings.Contains(got, "nosuch\n\n") {
		t.Errorf("%%save wrote %q", got)
	}
	k.Run("%save one.go 6")
	if got := read(t, "one.go"); got != "// cell 6\nv := 1\n\n" {
		t.Errorf("%%save of one cell wrote %q", got)
	}
	k.Fail("%save x.go 5-2", `"5-2" is no range of cells`)
	if err := os.Mkdir("sub", 0o755); err != nil {
		t.Fatal(err)
	}
	here, _ := os.Getwd()
	if got := k.Run("%cd sub").Stdout; got != filepath.Join(here, "sub")+"\n" {
		t.Errorf("%%cd printed %q", got)
	}
	k.Run("%cd -")
	if now, _ := os.Getwd(); now != here {
		t.Errorf("after %%cd - in %s, want %s", now, here)
	}
	k.Fail("%cd nosuch", "no such file")
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestDisplay shows text as HTML and Markdown.
func TestDisplay(t *testing.T) {
	k := hosttest.New(t)
	for magic, media := range map[string]string{"html": "text/html", "markdown": "text/markdown"} {
		r := k.Run("%%" + magic + "\n<b>x</b>")
		if len(r.Displays) != 1 || r.Displays[0].Data[media] != "<b>x</b>" {
			t.Errorf("%%%%%s showed %+v", magic, r.Displays)
		}
	}
	if got := k.Run("!!printf 'a\\nb\\n'").Plain(); !strings.Contains(got, `"a" "b"`) && !strings.Contains(got, "a b") {
		t.Errorf("!! shows %q", got)
	}
}

// TestInterrupt ends a shell command and what it started.
func TestInterrupt(t *testing.T) {
	k := hosttest.New(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan *hosttest.Result)
	go func() { done <- k.TryContext(ctx, "!echo begun; sh -c 'sleep 3600'; echo not reached") }()
	k.WaitPrinted("begun\n")
	cancel()
	if r := <-done; r.Err == nil || r.Err.Name != "Interrupt" || r.Stdout != "begun\n" {
		t.Errorf("got %v, printed %q", r.Err, r.Stdout)
	}
	k.Run("1 + 1")
}

// TestRecover runs what a lost process had run, magics included.
func TestRecover(t *testing.T) {
	k := hosttest.New(t)
	k.Recover(link.Recover{Cause: "killed", Cells: []link.Past{{Count: 1, Code: "r := 40"}, {Count: 2, Code: "%env QUIRE_R=1\nr += 2"}, {Count: 3, Code: "%recover"}}})
	if out := k.Run("%recover").Stdout; !strings.Contains(out, "2 cells recovered") {
		t.Errorf("printed %q", out)
	}
	if got := k.Run("r").Plain(); got != "42" {
		t.Errorf("r = %s", got)
	}
	k.Fail("%recover", "nothing was lost")
}

// TestCompletion completes names and paths after a magic.
func TestCompletion(t *testing.T) {
	t.Chdir(t.TempDir())
	k := hosttest.New(t)
	k.Run("alpha, alps := 1, 2")
	k.Run("%%writefile data.txt\nx")
	for _, m := range k.Magics() {
		switch m.Name {
		case "rm":
			if got := m.Complete(k.Session.Session, "x al"); len(got) != 2 || got[0].Text != "alpha" {
				t.Errorf("%%rm completes %+v", got)
			}
		case "load":
			if got := m.Complete(k.Session.Session, "da"); len(got) != 1 || got[0].Text != "data.txt" {
				t.Errorf("%%load completes %+v", got)
			}
		}
	}
}
