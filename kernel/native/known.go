package native

import "reflect"

// known is the same pointer with its target's type as this process knows it. A plugin brings own descriptors of unnamed types; where
// the process had made such a type before, by reflection, both exist, and values of one are not values of the other.
func known(p reflect.Value) reflect.Value {
	return reflect.NewAt(knownType(p.Type().Elem()), p.UnsafePointer())
}

// knownType builds an unnamed type again from its parts, which finds the descriptor that was made first.
func knownType(t reflect.Type) reflect.Type {
	if t.Name() != "" {
		return t
	}
	switch t.Kind() {
	case reflect.Pointer:
		return reflect.PointerTo(knownType(t.Elem()))
	case reflect.Slice:
		return reflect.SliceOf(knownType(t.Elem()))
	case reflect.Array:
		return reflect.ArrayOf(t.Len(), knownType(t.Elem()))
	case reflect.Map:
		return reflect.MapOf(knownType(t.Key()), knownType(t.Elem()))
	case reflect.Chan:
		return reflect.ChanOf(t.ChanDir(), knownType(t.Elem()))
	case reflect.Func:
		var in, out []reflect.Type
		for p := range t.Ins() {
			in = append(in, knownType(p))
		}
		for p := range t.Outs() {
			out = append(out, knownType(p))
		}
		return reflect.FuncOf(in, out, t.IsVariadic())
	}
	return t
}
