package host

import (
	"sync"

	"github.com/goplus/ixgo"

	"quire/kernel/link"
	"quire/kernel/magic"
	"quire/kernel/native"
	"quire/kernel/session"
)

// Session is a session with everything that this binary offers to cells.
type Session struct {
	*session.Session
	tools *native.Tools
}

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
	s := &Session{tools: native.New(auto)}
	lost := &magic.Lost{}
	inner, err := session.New(session.Config{
		Auto:   auto,
		Source: Source,
		Magics: append(magic.All(lost), s.tools.Magics()...),
		Comm:   func(c link.Comm, out link.Events) { s.tools.Comm(c, out) },
	})
	s.Session = inner
	return s, err
}

// Close ends the session and removes what it wrote.
func (s *Session) Close() error {
	err := s.Session.Close()
	if e := s.tools.Close(); err == nil {
		err = e
	}
	return err
}
