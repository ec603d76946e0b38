// Signs the composed report with the XML Signature of the JDK:
//   keytool -genkeypair -alias k -keyalg RSA -keysize 2048 -dname CN=a1001.onward.test -startdate '2026/01/01' -validity 36500 -storetype PKCS12 -keystore k.p12 -storepass changeit
//   keytool -exportcert -rfc -alias k -keystore k.p12 -storepass changeit >certificate.pem
//   java Sign.java ../report.xml k.p12 >message.xml
import java.io.*;
import java.security.*;
import java.util.*;
import javax.xml.crypto.*;
import javax.xml.crypto.dom.*;
import javax.xml.crypto.dsig.*;
import javax.xml.crypto.dsig.dom.DOMSignContext;
import javax.xml.crypto.dsig.spec.*;
import javax.xml.parsers.*;
import javax.xml.transform.*;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.w3c.dom.*;

class Sign {
  static final String WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
  static final String WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
  static final String WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-";

  public static void main(String[] args) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(new FileInputStream(args[1]), "changeit".toCharArray());
    PrivateKey key = (PrivateKey) store.getKey("k", "changeit".toCharArray());
    DocumentBuilderFactory builders = DocumentBuilderFactory.newInstance();
    builders.setNamespaceAware(true);
    Document doc = builders.newDocumentBuilder().parse(new File(args[0]));
    Element body = (Element) doc.getElementsByTagNameNS("*", "Body").item(0);
    Element stamp = (Element) doc.getElementsByTagNameNS(WSU, "Timestamp").item(0);
    Element security = (Element) doc.getElementsByTagNameNS(WSSE, "Security").item(0);
    body.setAttributeNS(WSU, "u:Id", "Body-1");
    for (Element e : List.of(body, stamp)) e.setIdAttributeNS(WSU, "Id", true);

    Element token = doc.createElementNS(WSSE, "sec:BinarySecurityToken");
    token.setAttributeNS(WSU, "u:Id", "Token-1");
    token.setAttribute("ValueType", WSS + "x509-token-profile-1.0#X509v3");
    token.setAttribute("EncodingType", WSS + "soap-message-security-1.0#Base64Binary");
    token.setTextContent(Base64.getEncoder().encodeToString(store.getCertificate("k").getEncoded()));
    security.appendChild(token);
    Element tokenReference = doc.createElementNS(WSSE, "sec:SecurityTokenReference");
    Element reference = doc.createElementNS(WSSE, "sec:Reference");
    reference.setAttribute("URI", "#Token-1");
    tokenReference.appendChild(reference);

    XMLSignatureFactory f = XMLSignatureFactory.getInstance("DOM");
    List<Reference> references = new ArrayList<>();
    for (String id : List.of("Body-1", stamp.getAttributeNS(WSU, "Id")))
      references.add(f.newReference("#" + id, f.newDigestMethod(DigestMethod.SHA256, null),
          List.of(f.newTransform(CanonicalizationMethod.EXCLUSIVE, new ExcC14NParameterSpec(List.of("u")))), null, null));
    SignedInfo info = f.newSignedInfo(f.newCanonicalizationMethod(CanonicalizationMethod.EXCLUSIVE, (C14NMethodParameterSpec) null),
        f.newSignatureMethod("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", null), references);
    var keyInfo = f.getKeyInfoFactory().newKeyInfo(List.of(new DOMStructure(tokenReference)));
    DOMSignContext context = new DOMSignContext(key, security);
    context.setDefaultNamespacePrefix("ds");
    f.newXMLSignature(info, keyInfo).sign(context);

    TransformerFactory.newInstance().newTransformer().transform(new DOMSource(doc), new StreamResult(System.out));
  }
}
