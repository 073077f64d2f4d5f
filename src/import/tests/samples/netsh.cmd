netsh advfirewall consec add rule Name="vgw-0badc0ff Tunnel 1" ^
Enable=Yes Profile=any Type=Static Mode=Tunnel ^
LocalTunnelEndpoint=192.0.2.10 ^
RemoteTunnelEndpoint=203.0.113.11 Endpoint1=10.1.0.0/16 ^
Endpoint2=10.2.0.0/16 Protocol=Any Action=RequireInClearOut ^
Auth1=ComputerPSK Auth1PSK=invented.Key_of_the.first_tunnel ^
QMSecMethods=ESP:SHA1-AES128+60min+100000kb ^
ExemptIPsecProtectedConnections=No ApplyAuthz=No QMPFS=dhgroup2

netsh advfirewall consec add rule Name="vgw-0badc0ff Tunnel 2" ^
Enable=Yes Profile=any Type=Static Mode=Tunnel ^
LocalTunnelEndpoint=192.0.2.10 ^
RemoteTunnelEndpoint=203.0.113.12 Endpoint1=10.1.0.0/16 ^
Endpoint2=10.2.0.0/16 Protocol=Any Action=RequireInClearOut ^
Auth1=ComputerPSK Auth1PSK=invented.Key_of_the.second_tunnel ^
QMSecMethods=ESP:SHA1-AES128+60min+100000kb ^
ExemptIPsecProtectedConnections=No ApplyAuthz=No QMPFS=dhgroup2

netsh advfirewall consec set rule name="vgw-0badc0ff Tunnel 2" new QMPFS=dhgroup14 QMSecMethods=ESP:SHA256-AES256+60min+100000kb
netsh interface show interface
