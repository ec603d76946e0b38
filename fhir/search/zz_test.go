package search
import ("testing";"strings";"time";"fmt")
func TestHostile(t *testing.T){
 rep:=func(pre,item,post string,n int)string{ return pre+strings.Repeat(item+",",n)+item+post}
 for n,s:=range map[string]string{
  "onename": `{"resourceType":"Patient","name":[{"family":"`+strings.Repeat("abcd é",800000)+`"}]}`,
  "words": `{"resourceType":"Patient","name":[{"family":"`+strings.Repeat("a ",2500000)+`"}]}`,
  "names": rep(`{"resourceType":"Patient","name":[`,`{"family":"abcdefghijklmnopqrstuvwxyzabcdef","given":["x"]}`,`]}`,90000),
  "bignames": rep(`{"resourceType":"Patient","name":[`,`{"family":"`+strings.Repeat("é",4000)+`","given":["x"]}`,`]}`,600),
  "ids": rep(`{"resourceType":"Patient","identifier":[`,`{"system":"urn:x","value":"1"}`,`]}`,150000),
  "codings": rep(`{"resourceType":"ServiceRequest","code":{"coding":[`,`{"system":"urn:x","code":"1"}`,`]}}`,150000),
  "systems": `{"resourceType":"Patient","identifier":[`+func()string{var b strings.Builder; for i:=0;i<100000;i++{fmt.Fprintf(&b,`{"system":"urn:%d","value":"1"},`,i)};return b.String()}()+`{"value":"1"}]}`,
  "anchors": `{"resourceType":"Appointment","contained":[`+strings.Repeat(`{"id":"a"},`,60000)+`{"id":"a"}],"participant":[`+strings.Repeat(`{"actor":{"reference":"#b"}},`,60000)+`{"actor":{"reference":"#b"}}]}`,
  "events": rep(`{"resourceType":"ServiceRequest","occurrenceTiming":{"event":[`,`"2026-01-01"`,`]}}`,350000),
  "given": rep(`{"resourceType":"Patient","name":[{"family":"a","given":[`,`"b"`,`]}]}`,1000000),
 }{ r:=resource(t,s); st:=time.Now(); x:=Extract(r,testOptions); d:=time.Since(st); size:=0; for _,e:=range x.X{size+=len(e)}
 t.Logf("%s body=%d %v entries=%d bytes=%d over=%v",n,len(s),d,len(x.X),size,x.Over) }
}
