package host

import (
	"reflect"
	"sync"

	"github.com/goplus/ixgo"

	"quire/kernel/link"
	"quire/kernel/magic"
	"quire/kernel/native"
	"quire/kernel/session"
	"quire/lib/show"
)

// Session is a session with everything that this binary offers to cells.
type Session struct {
	*session.Session
	tools *native.Tools
	lost  *magic.Lost
}

var _ link.Recoverer = (*Session)(nil)

// register hands every package to the interpreter, once a process.
var register = sync.OnceFunc(func() {
	for path := range Paths() {
		p, _ := Lookup(path)
		if p.Generic != "" {
			ixgo.RegisterPatch(path, p.Generic)
		}
		ixgo.RegisterPackage(p.Package)
	}
})

// Auto lists automatic imports: package name → import path. Of packages of one name the one that stands first in the tables wins, which
// are ordered so: the library's own, then the standard library, then the rest.
var Auto = sync.OnceValue(func() map[string]string {
	auto := map[string]string{}
	for path, name := range Paths() {
		if auto[name] == "" {
			auto[name] = path
		}
	}
	return auto
})

// NewSession starts a session with all packages and magics.
func NewSession() (*Session, error) {
	register()
	auto := Auto()
	s := &Session{tools: native.New(auto), lost: &magic.Lost{}}
	inner, err := session.New(session.Config{
		Auto:   auto,
		Source: Source,

		Instance: instance,
		Magics:   append(magic.All(s.lost), s.tools.Magics()...),
		Show:     []func(any) (map[string]any, bool){show.Bundle},
		Comm:     s.comm,
	})
	show.Install(&sink{})
	s.Session = inner
	return s, err
}

// instances are the compiled instances by path and name.
var instances = sync.OnceValue(func() map[string]any {
	m := map[string]any{}
	for path, t := range index() {
		for _, s := range t.instances {
			m[path+"."+s.name] = s.value
		}
	}
	return m
})

// instance finds a compiled instance of a generic function.
func instance(path, name string) (reflect.Value, bool) {
	v, ok := instances()[path+"."+name]
	return reflect.ValueOf(v), ok
}

// Recover keeps what the session process before this one had run, for %recover.
func (s *Session) Recover(r link.Recover) {
	cells := make([]string, len(r.Cells))
	for i, c := range r.Cells {
		cells[i] = c.Code
	}
	s.lost.Set(r.Cause, cells)
}

// Close ends the session and removes what it wrote.
func (s *Session) Close() error {
	err := s.Session.Close()
	if e := s.tools.Close(); err == nil {
		err = e
	}
	return err
}
