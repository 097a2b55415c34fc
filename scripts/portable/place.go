package portable

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Symbol is the name of a function or variable, in any library or in one.
type Symbol struct {
	Module string // a library's soname or file name, "" for any
	Name   string
}

// String writes it as in "libfoo.so.1!name".
func (s Symbol) String() string {
	if s.Module == "" {
		return s.Name
	}
	return s.Module + "!" + s.Name
}

// Place is an instruction: some bytes behind the first one of a function, where a source
// line begins, or at an address when there is neither.
type Place struct {
	Symbol Symbol
	Off    uint64 // from the symbol, in bytes
	File   string // of a line, by the end of its path; "" for none
	Line   int
	Addr   uint64
}

// String writes it in the words of a script: a string, or a number.
func (p Place) String() string {
	switch {
	case p.File != "":
		return strconv.Quote(fmt.Sprintf("%s:%d", p.File, p.Line))
	case p.Symbol.Name == "":
		return fmt.Sprintf("%#x", p.Addr)
	case p.Off == 0:
		return strconv.Quote(p.Symbol.String())
	}
	return strconv.Quote(fmt.Sprintf("%v+%#x", p.Symbol, p.Off))
}

// Loc is where data is: at a symbol, at an address, or where a pointer that is
// stored somewhere points to.
type Loc struct {
	Symbol Symbol
	Named  Named  // in place of Symbol; nil for none
	Addr   uint64 // without Symbol and Word
	Word   *Loc   // the eight bytes there are the address, as they are when the run begins
	Member string // of the C library's object at Symbol, as in __data.__g_signals; "" for its beginning
	Off    int64  // from there, in bytes
}

// Named is data that has its name only when all of a script has been read.
type Named interface {
	// Name fails for data without a name.
	Name() (string, error)
}

// String writes it in the words of a script.
func (l Loc) String() string {
	if l.Named != nil {
		// Without a name it says of itself what it is.
		l.Symbol.Name = fmt.Sprint(l.Named)
		if name, err := l.Named.Name(); err == nil {
			l.Symbol.Name = name
		}
	}
	if l.Member != "" {
		return l.Symbol.String() + "." + l.Member + signed(" + ", " - ", "%d", l.Off)
	}
	switch {
	case l.Word != nil:
		return fmt.Sprintf("word(%v)%s", l.Word, signed(" + ", " - ", "%d", l.Off))
	case l.Symbol.Name == "":
		return fmt.Sprintf("%#x", l.Addr+uint64(l.Off))
	}
	return strconv.Quote(l.Symbol.String() + signed("+", "-", "%#x", l.Off))
}

func signed(plus, minus, format string, n int64) string {
	switch {
	case n > 0:
		return plus + fmt.Sprintf(format, n)
	case n < 0:
		return minus + fmt.Sprintf(format, -uint64(n))
	}
	return ""
}

// ParsePlace reads the text of a place: "name", "name+0x8c", "library!name", "file.c:12", or
// an address, which begins with 0x.
func ParsePlace(text string) (Place, error) {
	if file, number, ok := cutLine(text); ok {
		line, err := strconv.ParseUint(number, 10, 31)
		if err != nil || line == 0 || file == "" || strings.ContainsFunc(file, notOfFile) {
			return Place{}, fmt.Errorf("place %q: not a source file and the number of a line in it", text)
		}
		return Place{File: file, Line: int(line)}, nil
	}
	sym, off, err := parse("place", text)
	switch {
	case err != nil:
		return Place{}, err
	case sym.Name == "":
		return Place{Addr: uint64(off)}, nil
	case off < 0:
		return Place{}, fmt.Errorf("place %q: it is before the function", text)
	}
	return Place{Symbol: sym, Off: uint64(off)}, nil
}

// cutLine takes FILE:LINE to pieces.
func cutLine(text string) (file, line string, ok bool) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 || strings.Trim(text[i+1:], "0123456789") != "" {
		return "", "", false
	}
	return text[:i], text[i+1:], true
}

// ParseLoc reads the text of a location: as that of a place, and "name-0x8" too.
func ParseLoc(text string) (Loc, error) {
	sym, off, err := parse("location", text)
	switch {
	case err != nil:
		return Loc{}, err
	case sym.Name == "":
		return Loc{Addr: uint64(off)}, nil
	}
	return Loc{Symbol: sym, Off: off}, nil
}

// ParseSymbol reads "name" or "library!name".
func ParseSymbol(text string) (Symbol, error) {
	sym, off, err := parse("function", text)
	if err == nil && (off != 0 || sym.Name == "") {
		err = fmt.Errorf("function %q: not a name alone", text)
	}
	return sym, err
}

// parse reads a symbol with an offset, or an address, which it returns as the
// offset of no symbol.
func parse(what, text string) (Symbol, int64, error) {
	bad := func(why string) (Symbol, int64, error) {
		return Symbol{}, 0, fmt.Errorf("%s %q: %s", what, text, why)
	}
	if digits, hex := strings.CutPrefix(text, "0x"); hex {
		addr, err := strconv.ParseUint(digits, 16, 64)
		if err != nil {
			return bad("not an address of 64 bits")
		}
		return Symbol{}, int64(addr), nil
	}
	var sym Symbol
	rest := text
	if module, name, found := strings.Cut(text, "!"); found {
		if module == "" || strings.ContainsFunc(module, notOfFile) {
			return bad("no library before the !")
		}
		sym.Module, rest = module, name
	}
	off := int64(0)
	if i := strings.IndexAny(rest, "+-"); i >= 0 {
		n, err := strconv.ParseUint(rest[i+1:], 0, 63)
		if err != nil || strings.Contains(rest[i+1:], "_") {
			return bad("not a number of bytes behind the name")
		}
		if off = int64(n); rest[i] == '-' {
			off = -off
		}
		rest = rest[:i]
	}
	if rest == "" || rest[0] >= '0' && rest[0] <= '9' || strings.ContainsFunc(rest, notOfName) {
		return bad("not a symbol's name")
	}
	sym.Name = rest
	return sym, off, nil
}

// notOfFile tells which characters no library's file has, as far as it is to be named
// here.
func notOfFile(c rune) bool {
	return unicode.IsSpace(c) || !unicode.IsPrint(c) || c == utf8.RuneError || strings.ContainsRune(`"\`, c)
}

// notOfName tells which characters no name has. Names of versions come behind @.
func notOfName(c rune) bool {
	return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("_.$@", c)
}
