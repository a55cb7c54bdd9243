package session

import (
	"go/token"
	"go/types"
	"reflect"
	"strings"

	"github.com/goplus/ixgo"
)

// compiledInstances replaces instances of generic functions that the kernel has compiled (slices.Sort of []int): the cell calls them as
// it calls any compiled function, and their source is not interpreted.
func (p *program) compiledInstances(b *builder, ctx *ixgo.Context) {
	if p.s.cfg.Instance == nil {
		return
	}
	homes := map[string]*types.Package{}
	used := map[string]map[types.Object]bool{}
	for id, inst := range p.info.Instances {
		f, ok := p.info.Uses[id].(*types.Func)
		if !ok || f.Pkg() == nil {
			continue
		}
		path := strings.TrimSuffix(f.Pkg().Path(), "@patch")
		name := instanceName(f.Name(), inst.TypeArgs)
		v, ok := p.s.cfg.Instance(path, name)
		if !ok || !p.sameType(inst.Type, v) {
			continue
		}
		if homes[path] == nil {
			homes[path] = types.NewPackage(path+"ǃ", f.Pkg().Name())
			used[path] = map[types.Object]bool{}
		}
		compiled := homes[path].Scope().Lookup(name)
		if compiled == nil {
			compiled = types.NewFunc(token.NoPos, homes[path], name, inst.Type.(*types.Signature))
			homes[path].Scope().Insert(compiled)
			ctx.RegisterExternal(homes[path].Path()+"."+name, v.Interface())
		}
		used[path][compiled] = true
		p.info.Uses[id] = compiled
		delete(p.info.Instances, id)
	}
	for path, pkg := range homes {
		b.add(pkg, used[path])
	}
}

func instanceName(name string, args *types.TypeList) string {
	var list []string
	for t := range args.Types() {
		list = append(list, types.TypeString(t, nil))
	}
	return name + "[" + strings.Join(list, " ") + "]"
}

// sameType reports whether v is the function that a cell takes an instance for.
func (p *program) sameType(t types.Type, v reflect.Value) bool {
	rt, _ := p.s.engine.record.ToType(t)
	return rt == v.Type()
}
