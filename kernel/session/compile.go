package session

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"maps"
	"reflect"
	"runtime"
	"strconv"

	"github.com/goplus/ixgo"
	"golang.org/x/tools/go/ssa"

	"quire/kernel/cell"
	"quire/kernel/link"
)

// Names of the machinery inside a cell's package.
const (
	atName  = "ǃat"  // counts the declaring statements that have run
	outName = "ǃout" // prefix of the values of the last expression
)

// program is a compiled Go part of a cell.
type program struct {
	s      *Session
	cell   *Cell
	fset   *token.FileSet
	file   *ast.File
	place  *token.File // of file in fset
	src    cell.File
	chunks []cell.Chunk
	pkg    *types.Package
	info   *types.Info
	interp *ixgo.Interp

	run   *ast.FuncDecl
	top   *topLevel
	bound map[*types.Var]reflect.Value // variables in scope → their memory; all of them once built
	fresh map[string]string            // variables that the cell declares: session name → name in the package
	order map[string]int               // … → how many declaring statements have run once it is set
	outs  []string                     // variables that take the value of the last expression
	kept  map[string]*unit             // types and constants that the session has already, declared the same way

	declared map[*ssa.Function]*declaredFunc
	inits    []*ssa.Function              // of interpreted packages that no cell has used before
	inSource map[string]bool              // variables that the source declares, as declare wrote it
	generic  map[*types.Var]reflect.Value // of a home of generic declarations: the variables that they use
}

// compile makes a program of chunks, to be dropped when there is an error. The session's lock must be held.
func (s *Session) compile(c *Cell, chunks []cell.Chunk, shows bool) (*program, *link.Error) {
	p := &program{s: s, cell: c, chunks: chunks, src: cell.Source(cellPackage, c.position(), chunks),
		fresh: map[string]string{}, order: map[string]int{}, inSource: map[string]bool{}, fset: s.engine.base.FileSet}
	p.src.Shows = p.src.Shows && shows
	if _, _, free := ixgo.IcallStat(); free < stubReserve {
		return p, &link.Error{Name: "CompileError", Value: "the session has no room for more types with methods: restart it"}
	}
	if err := p.parse(); err != nil {
		return p, err
	}
	if err := p.check(); err != nil {
		return p, err
	}
	if err := p.build(); err != nil {
		return p, err
	}
	return p, nil
}

// drop undoes what compiling has noted in the engine: the program will not run.
func (p *program) drop() {
	p.fset.RemoveFile(p.place)
	for _, fn := range p.inits {
		delete(p.s.engine.begun, fn.Pkg.Pkg.Path())
	}
}

func (p *program) parse() *link.Error {
	base := p.fset.Base()
	file, err := parser.ParseFile(p.fset, "", p.src.Text, parser.ParseComments|parser.SkipObjectResolution)
	p.place = p.fset.File(token.Pos(base))
	if err != nil {
		list, ok := err.(scanner.ErrorList)
		if !ok {
			return p.cell.compileError([]fault{{msg: err.Error()}})
		}
		var faults []fault
		for _, e := range list {
			faults = append(faults, fault{e.Pos, e.Msg})
		}
		return p.cell.compileError(faults)
	}
	p.file = file
	p.run = p.findRun()
	return nil
}

func (p *program) findRun() *ast.FuncDecl {
	for _, d := range p.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == cell.Run {
			return f
		}
	}
	return nil
}

// check finds the types of the cell. Variables that top-level statements declare become variables of the package: a first check finds
// their types, then the statements are rewritten to assignments and checked again.
func (p *program) check() *link.Error {
	p.top = survey(p.file, p.run)
	p.keepSame()
	if err := p.methodsAreHome(); err != nil {
		return err
	}
	p.addImports()
	first := p.newCheck()
	hidden := map[string]bool{} // session names that functions of this cell shall see with their new meaning
	for _, v := range p.top.vars {
		if p.top.inFuncs[v.name] {
			hidden[v.name] = true
		}
	}
	first.insert(p, hidden)
	if faults := first.check(p, len(hidden) > 0); len(faults) > 0 {
		return p.cell.compileError(faults)
	}
	if len(p.top.vars) == 0 && p.lastExpr() == nil {
		return p.accept(first)
	}
	second := p.newCheck()
	if err := p.hoist(first, second); err != nil {
		return err
	}
	second.insert(p, p.taken(second))
	if faults := second.check(p, false); len(faults) > 0 {
		return p.cell.compileError(faults)
	}
	return p.accept(second)
}

// memory is where a variable of the cell's package lives.
func (p *program) memory(name string) reflect.Value {
	v, _ := p.pkg.Scope().Lookup(name).(*types.Var)
	return p.bound[v]
}

func (p *program) accept(c *checker) *link.Error {
	p.pkg, p.info, p.bound = c.pkg, c.info, c.bound
	return nil
}

// taken lists the names that session names must not be inserted over.
func (p *program) taken(c *checker) map[string]bool {
	t := maps.Clone(p.inSource)
	for _, n := range c.pkg.Scope().Names() {
		t[n] = true
	}
	return t
}

// checker is one run of the type checker.
type checker struct {
	pkg    *types.Package
	info   *types.Info
	bound  map[*types.Var]reflect.Value
	faults []fault
}

func (p *program) newCheck() *checker {
	return &checker{
		pkg:   types.NewPackage(cellPath, cellPackage),
		bound: map[*types.Var]reflect.Value{},
		info: &types.Info{
			Types:        map[ast.Expr]types.TypeAndValue{},
			Defs:         map[*ast.Ident]types.Object{},
			Uses:         map[*ast.Ident]types.Object{},
			Implicits:    map[ast.Node]types.Object{},
			Scopes:       map[ast.Node]*types.Scope{},
			Selections:   map[*ast.SelectorExpr]*types.Selection{},
			Instances:    map[*ast.Ident]types.Instance{},
			FileVersions: map[*ast.File]string{},
		},
	}
}

// insert puts the session names that the cell mentions into its scope, except those in skip and those that the cell declares.
func (c *checker) insert(p *program, skip map[string]bool) {
	for n := range p.top.used {
		d := p.s.names[n]
		if d == nil || d.kind == "import" || skip[n] || p.top.decls[n] {
			continue
		}
		if d.obj != nil {
			c.pkg.Scope().Insert(d.obj)
			continue
		}
		v := types.NewVar(token.NoPos, c.pkg, n, d.typ)
		c.pkg.Scope().Insert(v)
		c.bound[v] = d.ptr
	}
}

// check runs the type checker. What is no fault in a cell is dropped: unused top-level variables and imports, and a last expression
// without use. With lenient set, faults inside functions are dropped too.
func (c *checker) check(p *program, lenient bool) []fault {
	conf := types.Config{
		Importer:                 p.s.engine,
		DisableUnusedImportCheck: true,
		Sizes:                    types.SizesFor("gc", runtime.GOARCH),
	}
	conf.Error = func(err error) {
		e, ok := err.(types.Error)
		if !ok {
			c.faults = append(c.faults, fault{msg: err.Error()})
			return
		}
		if p.harmless(e) || lenient && p.top.insideFunc(e.Pos) {
			return
		}
		c.faults = append(c.faults, fault{p.fset.Position(e.Pos), cleanMessage(e.Msg)})
	}
	func() {
		defer func() {
			if r := recover(); r != nil {
				c.faults = append(c.faults, fault{msg: "the type checker failed: " + panicText(r)})
			}
		}()
		types.NewChecker(&conf, p.fset, c.pkg, c.info).Files([]*ast.File{p.file})
	}()
	return c.faults
}

// addImports adds the imports of earlier cells, and automatic ones, that the cell mentions.
func (p *program) addImports() {
	for n := range p.top.used {
		if p.top.decls[n] {
			continue
		}
		d := p.s.names[n]
		switch {
		case d != nil && d.kind == "import":
			p.importAs(n, d.path)
		case d == nil && p.top.selected[n] && !p.top.isVar(n) && p.s.cfg.Auto[n] != "":
			p.importAs(n, p.s.cfg.Auto[n])
		}
	}
}

func (p *program) importAs(name, path string) {
	spec := &ast.ImportSpec{Name: ast.NewIdent(name), Path: &ast.BasicLit{Kind: token.STRING, Value: strconv.Quote(path)}}
	p.file.Decls = append([]ast.Decl{&ast.GenDecl{Tok: token.IMPORT, Specs: []ast.Spec{spec}}}, p.file.Decls...)
	p.file.Imports = append(p.file.Imports, spec)
}

// methodsAreHome errors when the cell adds a method to a type that it does not declare.
func (p *program) methodsAreHome() *link.Error {
	for _, d := range p.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv == nil || len(f.Recv.List) == 0 {
			continue
		}
		id := baseIdent(f.Recv.List[0].Type)
		if id == nil || p.top.decls[id.Name] || p.s.names[id.Name] == nil {
			continue
		}
		pos := p.fset.Position(f.Name.Pos())
		return p.cell.compileError([]fault{{pos, "method " + f.Name.Name + " on " + id.Name +
			", which an earlier cell declares: declare a type and all its methods in one cell"}})
	}
	return nil
}

func baseIdent(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		default:
			return nil
		}
	}
}
