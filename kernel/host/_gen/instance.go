package main

import (
	"go/types"
	"strings"
)

// Element types that cells commonly instantiate with: singles for functions of one type, keys × values for functions of two.
var (
	singles = []types.Type{
		types.Typ[types.Int], types.Typ[types.Int64], types.Typ[types.Int32], types.Typ[types.Uint8], types.Typ[types.Uint64],
		types.Typ[types.Float32], types.Typ[types.Float64], types.Typ[types.String], types.Typ[types.Bool],
		types.Universe.Lookup("any").Type(),
	}
	keys   = []types.Type{types.Typ[types.String], types.Typ[types.Int]}
	values = []types.Type{
		types.Typ[types.Int], types.Typ[types.Float64], types.Typ[types.String], types.Typ[types.Bool], types.Universe.Lookup("any").Type(),
		types.NewSlice(types.Typ[types.String]), types.NewSlice(types.Typ[types.Int]),
	}
)

// instantiate lists the instances of a generic function that are compiled for cells.
func (p *pkg) instantiate(f *types.Func) []symbol {
	params := f.Signature().TypeParams()
	var free []*types.TypeParam
	for tp := range params.TypeParams() {
		if derived(tp) == nil {
			free = append(free, tp)
		}
	}
	var choices [][]types.Type
	switch len(free) {
	case 1:
		for _, t := range singles {
			choices = append(choices, []types.Type{t})
		}
		if c := free[0].Constraint(); len(choices) > 0 && isMethodSet(c) {
			choices = append(choices, []types.Type{c})
		}
	case 2:
		for _, k := range keys {
			for _, v := range values {
				choices = append(choices, []types.Type{k, v})
			}
		}
	}
	var out []symbol
	for _, choice := range choices {
		if targs, ok := complete(params, free, choice); ok {
			out = append(out, p.instance(f, targs))
		}
	}
	return out
}

// derived is the type that a parameter's constraint fixes in terms of others, as []E does for S ~[]E; nil if there is none.
func derived(tp *types.TypeParam) types.Type {
	iface := tp.Constraint().Underlying().(*types.Interface)
	if iface.NumMethods() > 0 || iface.NumEmbeddeds() != 1 {
		return nil
	}
	u, ok := iface.EmbeddedType(0).(*types.Union)
	if !ok || u.Len() != 1 {
		return nil
	}
	return u.Term(0).Type()
}

func isMethodSet(c types.Type) bool {
	iface := c.Underlying().(*types.Interface)
	_, named := c.(*types.Named)
	return named && iface.NumMethods() > 0 && iface.IsMethodSet()
}

// complete fills in the derived parameters and checks the constraints.
func complete(params *types.TypeParamList, free []*types.TypeParam, choice []types.Type) ([]types.Type, bool) {
	known := map[*types.TypeParam]types.Type{}
	for i, tp := range free {
		known[tp] = choice[i]
	}
	targs := make([]types.Type, params.Len())
	for i := range targs {
		tp := params.At(i)
		targs[i] = known[tp]
		if targs[i] == nil {
			targs[i] = substitute(derived(tp), known)
		}
		if targs[i] == nil {
			return nil, false
		}
	}
	for i, t := range targs {
		c := params.At(i).Constraint()
		if derived(params.At(i)) != nil {
			continue
		}
		if iface := c.Underlying().(*types.Interface); !types.Satisfies(t, iface) {
			return nil, false
		}
	}
	return targs, true
}

// substitute replaces type parameters in slices, maps and sequences of them.
func substitute(t types.Type, known map[*types.TypeParam]types.Type) types.Type {
	switch t := t.(type) {
	case *types.TypeParam:
		return known[t]
	case *types.Slice:
		if e := substitute(t.Elem(), known); e != nil {
			return types.NewSlice(e)
		}
	case *types.Map:
		k, e := substitute(t.Key(), known), substitute(t.Elem(), known)
		if k != nil && e != nil {
			return types.NewMap(k, e)
		}
	case *types.Basic:
		return t
	}
	return nil
}

func (p *pkg) instance(f *types.Func, targs []types.Type) symbol {
	var names, exprs []string
	for _, t := range targs {
		names = append(names, types.TypeString(t, nil))
		exprs = append(exprs, types.TypeString(t, func(q *types.Package) string {
			if q.Path() == p.path {
				return p.alias
			}
			return mangle(q.Path())
		}))
	}
	return symbol{f.Name() + "[" + strings.Join(names, " ") + "]", p.alias + "." + f.Name() + "[" + strings.Join(exprs, ", ") + "]"}
}
