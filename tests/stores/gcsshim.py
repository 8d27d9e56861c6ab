"""gcsshim.py PORT UPSTREAM_PORT: the XML API in front of fake-gcs-server, so that object_store's client works.

Puts, uploads in parts and copies become JSON uploads, whose conditions the server keeps; listings get start-after.
"""
import sys,re,http.client,threading,itertools,json
from http.server import BaseHTTPRequestHandler,ThreadingHTTPServer
from urllib.parse import urlsplit,parse_qs,quote,unquote
UP=("127.0.0.1",int(sys.argv[2])); MP={}; IDS=itertools.count(1); tl=threading.local()
def up(m,p,body=None,h={}):
    c=getattr(tl,"c",None) or http.client.HTTPConnection(*UP); tl.c=c
    try: c.request(m,p,body,h); r=c.getresponse(); d=r.read()
    except Exception: c.close(); c=tl.c=http.client.HTTPConnection(*UP); c.request(m,p,body,h); r=c.getresponse(); d=r.read()
    return r.status,dict((k.lower(),v) for k,v in r.getheaders()),d
class H(BaseHTTPRequestHandler):
    protocol_version="HTTP/1.1"
    def log_message(s,*a): pass
    def out(s,st,h,b=b"",head=False):
        s.send_response_only(st)
        for k,v in h.items():
            if k not in("content-length","transfer-encoding","connection","date") or (head and k=="content-length"): s.send_header(k,v)
        if not head: s.send_header("content-length",str(len(b)))
        s.end_headers()
        if not head: s.wfile.write(b)
    def go(s):
        n=int(s.headers.get("content-length") or 0); body=s.rfile.read(n) if n else b""
        u=urlsplit(s.path); q=parse_qs(u.query,keep_blank_values=True); seg=u.path.lstrip("/").split("/",1); b=seg[0]; o=unquote(seg[1]) if len(seg)>1 else ""
        h={k.lower():v for k,v in s.headers.items() if k.lower() not in("host","connection","content-length","accept-encoding")}
        def put(data,ct):
            p=f"/upload/storage/v1/b/{b}/o?uploadType=multipart&name={quote(o,safe='')}"; g=s.headers.get("x-goog-if-generation-match")
            if g is not None: p+=f"&ifGenerationMatch={g}"
            bd="shimboundary0f1e2d"; data=(f"--{bd}\r\ncontent-type: application/json\r\n\r\n"+json.dumps({"name":o})+f"\r\n--{bd}\r\ncontent-type: application/octet-stream\r\n\r\n").encode()+data+f"\r\n--{bd}--\r\n".encode()
            st,_,d=up("POST",p,data,{"content-type":f"multipart/related; boundary={bd}"})
            if st!=200: return st,{"content-type":"application/json"},d
            j=json.loads(d); return 200,{"etag":f'"{j["etag"]}"' ,"x-goog-generation":str(j["generation"])},b""
        if b in("storage","upload","batch","download"): return s.out(*up(s.command,s.path,body,h))
        if s.command=="POST" and "uploads" in q: i=f"u{next(IDS)}"; MP[i]={}; return s.out(200,{},f"<InitiateMultipartUploadResult><UploadId>{i}</UploadId></InitiateMultipartUploadResult>".encode())
        if "uploadId" in q:
            i=q["uploadId"][0]
            if s.command=="PUT": MP[i][int(q["partNumber"][0])]=body; return s.out(200,{"etag":f'"p{q["partNumber"][0]}"'})
            parts=MP.pop(i,{})
            if s.command=="DELETE": return s.out(204,{})
            st,hh,d=put(b"".join(parts[k] for k in sorted(parts)),None); return s.out(st,hh,f"<CompleteMultipartUploadResult><ETag>{hh.get('etag')}</ETag></CompleteMultipartUploadResult>".encode())
        if s.command=="PUT" and o:
            cs=s.headers.get("x-goog-copy-source")
            if cs: sb,so=unquote(cs).lstrip("/").split("/",1); st,_,body=up("GET",f"/{sb}/{quote(so)}"); 
            return s.out(*put(body,s.headers.get("content-type")))
        st,hh,d=up(s.command,s.path,body,h)
        if st==200 and s.command=="GET" and not o and "start-after" in q:
            a=q["start-after"][0]; d=re.sub(rb"<Contents><Key>(.*?)</Key>.*?</Contents>",lambda m:b"" if m[1].decode()<=a else m[0],d)
        s.out(st,hh,d,head=s.command=="HEAD")
    do_GET=do_PUT=do_POST=do_DELETE=do_HEAD=go
ThreadingHTTPServer.request_queue_size=128
ThreadingHTTPServer(("127.0.0.1",int(sys.argv[1])),H).serve_forever()
